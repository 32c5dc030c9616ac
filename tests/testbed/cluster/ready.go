package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// errStopped is returned when a signal ends the start.
var errStopped = errors.New("stopped before the cluster was ready")

// await polls a condition until it holds. A component that ends meanwhile is
// an error at once, and names its log.
func (s *supervisor) await(ctx context.Context, what string, condition func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := condition(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case ended := <-s.exits:
			return s.exitError(ended)
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errStopped) {
				return errStopped
			}
			return fmt.Errorf("%s is not ready: %w (see %s)", what, err, s.layout.path("logs"))
		case <-tick.C:
		}
	}
}

func (s *supervisor) exitError(ended exit) error {
	return fmt.Errorf("%s ended unexpectedly: %v\n%s\n(all of it in %s)",
		ended.name, ended.err, lastLines(s.layout.log(ended.name), 5), s.layout.log(ended.name))
}

func newClient(l layout) (clientset.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // polling is limited by the ticker
	return clientset.NewForConfig(config)
}

func apiserverReady(client clientset.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	}
}

// nodeReady wants the node as the scheduler will see it: Ready, with its GPUs,
// and without the taint that a new node has.
func nodeReady(client clientset.Interface, name string, gpus int) func(context.Context) error {
	return func(ctx context.Context) error {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == v1.NodeReady && condition.Status != v1.ConditionTrue {
				return fmt.Errorf("node is %s: %s", condition.Reason, condition.Message)
			}
		}
		if len(node.Status.Conditions) == 0 || len(node.Spec.Taints) > 0 {
			return fmt.Errorf("node has taints %v", node.Spec.Taints)
		}
		if allocatable := node.Status.Allocatable["nvidia.com/gpu"]; allocatable.Value() != int64(gpus) {
			return fmt.Errorf("node has %d of %d GPUs", allocatable.Value(), gpus)
		}
		return nil
	}
}

func defaultAccountExists(client clientset.Interface) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	}
}
