package node

import (
	"context"
	"runtime"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
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
	created, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	created.Status.Addresses = []v1.NodeAddress{
		{Type: v1.NodeInternalIP, Address: "127.0.0.1"},
		{Type: v1.NodeHostName, Address: config.Name},
	}
	_, err = client.CoreV1().Nodes().UpdateStatus(ctx, created, metav1.UpdateOptions{})
	return err
}
