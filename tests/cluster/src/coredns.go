// CoreDNS with the plugins that the test cluster's Corefile names (lib/control-plane.sh), and no others: with all of them
// it is made of hundreds of modules for clouds, which takes minutes to fetch and to build.
package main

import (
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/template"

	"github.com/coredns/coredns/coremain"
)

func main() {
	coremain.Run()
}
