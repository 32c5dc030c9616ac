package node

import (
	"context"
	"runtime"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// register creates the Node before the kubelet would, in the part of a cloud
// provider: with an address, and without the taint that waits for one.
func register(ctx context.Context, client clientset.Interface, config Config) error {
	node := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: config.Name, Labels: map[string]string{
			v1.LabelHostname:   config.Name,
			v1.LabelOSStable:   runtime.GOOS,
			v1.LabelArchStable: runtime.GOARCH,
		}},
		Spec: v1.NodeSpec{ProviderID: "testbed://" + config.Name},
	}
	if config.GPUs > 0 {
		node.Labels["nvidia.com/gpu.present"] = "true"
	}
	nodes := client.CoreV1().Nodes()
	if _, err := nodes.Create(ctx, node, metav1.CreateOptions{}); err != nil && !errors.IsAlreadyExists(err) {
		return err
	}
	// The node controller labels and taints a new node at once, so the first try may be too late.
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		current, err := nodes.Get(ctx, config.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		current.Status.Addresses = []v1.NodeAddress{
			{Type: v1.NodeInternalIP, Address: "127.0.0.1"},
			{Type: v1.NodeHostName, Address: config.Name},
		}
		_, err = nodes.UpdateStatus(ctx, current, metav1.UpdateOptions{})
		return err
	})
}
