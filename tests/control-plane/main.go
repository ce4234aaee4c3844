// A Kubernetes control plane in one program, for tests: the first argument says which part of it this process is.
//
//	control-plane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubectl [arguments]
//
// Each part is the published module's own command, with the flags of its documentation.
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // CronJobs name time zones, which a small machine has not.

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	part := ""
	if len(os.Args) > 1 {
		part = os.Args[1]
		// Each command finds its name and its arguments where it would as a program of its own.
		os.Args = os.Args[1:]
	}
	// A command is made only when it runs: each registers its flags and feature gates in variables of the process, and two
	// would collide.
	switch part {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kube-scheduler":
		os.Exit(cli.Run(scheduler.NewSchedulerCommand()))
	case "kubectl":
		// CheckErr prints what went wrong as kubectl does, and exits.
		util.CheckErr(cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()))
	default:
		fmt.Fprintln(os.Stderr, "usage: control-plane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubectl [arguments]")
		os.Exit(2)
	}
}
