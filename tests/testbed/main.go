// Command testbed is a Kubernetes cluster in one binary: the real control
// plane, the real kubelet, and a container runtime that runs local processes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/component-base/version"

	"vllm-rollback/testbed/cluster"
	"vllm-rollback/testbed/node"
)

const usage = `usage: testbed COMMAND

  up       start a cluster (testbed up --help)
  down     stop the cluster of a directory: testbed down --dir DIR
  kubectl  the real kubectl; so is this binary under the name kubectl
  version  version of Kubernetes

Components, started by up: etcd, kube-apiserver, kube-controller-manager,
kube-scheduler, kubelet.
`

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		kubectl()
		return
	}
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	// The components read the process's arguments themselves.
	name, args := os.Args[1], os.Args[2:]
	if err := run(name, args); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "testbed %s: %v\n", name, err)
		}
		os.Exit(1)
	}
}

func run(name string, args []string) error {
	switch name {
	case "up":
		options, err := cluster.ParseOptions(args, os.Stderr)
		if err != nil {
			return err
		}
		return cluster.Up(options)
	case "down":
		return cluster.Down(args)
	case "version":
		fmt.Println(version.Get().GitVersion)
		return nil
	case "etcd":
		return runEtcd(args)
	case "kubelet":
		if len(args) != 1 {
			return fmt.Errorf("want the path of the node's configuration")
		}
		return node.Run(args[0])
	case "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl":
		os.Args = os.Args[1:]
		component(name)
		return nil
	default:
		return fmt.Errorf("no such command\n\n%s", usage)
	}
}
