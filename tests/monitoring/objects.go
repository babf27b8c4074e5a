// Reads manifests from standard input as the types that the Prometheus operator and Kubernetes have for them, names each, and
// fails on any field that they do not have.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	documents := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = one(text)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func one(text []byte) error {
	var kind meta.TypeMeta
	if err := strict.Unmarshal(text, &kind); err != nil {
		return err
	}
	var object meta.Object
	switch kind.APIVersion + " " + kind.Kind {
	case "monitoring.coreos.com/v1 PodMonitor":
		object = &monitoring.PodMonitor{}
	case "monitoring.coreos.com/v1 PrometheusRule":
		object = &monitoring.PrometheusRule{}
	case "v1 ConfigMap":
		object = &core.ConfigMap{}
	default:
		return fmt.Errorf("%s %s is not expected here", kind.APIVersion, kind.Kind)
	}
	if err := strict.UnmarshalStrict(text, object); err != nil {
		return fmt.Errorf("%s: %w", kind.Kind, err)
	}
	fmt.Println(kind.Kind, object.GetNamespace(), object.GetName())
	return nil
}
