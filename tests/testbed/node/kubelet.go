package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/otel/trace/noop"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	kubeletapp "k8s.io/kubernetes/cmd/kubelet/app"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/kubelet"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/server"
	kubeletutil "k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"

	"vllm-rollback/testbed/cri"
)

// Run is the node agent. It returns on SIGTERM, with every container dead.
func Run(configPath string) error {
	config, err := Load(configPath)
	if err != nil {
		return err
	}
	if err := allowUserNamespace(); err != nil {
		return err
	}
	client, err := newClient(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := register(ctx, client, config); err != nil {
		return fmt.Errorf("registering node %s: %w", config.Name, err)
	}
	containers, images, err := cri.New(cri.Config{
		StateDir:  config.RuntimeDir,
		PodPrefix: config.PodPrefix,
		ClusterID: config.ClusterID,
		Images:    config.Images,
	})
	if err != nil {
		return err
	}
	dependencies, err := dependencies(ctx, config, client)
	if err != nil {
		return err
	}
	dependencies.RemoteRuntimeService, dependencies.RemoteImageService = containers, images
	settings, err := settings(config)
	if err != nil {
		return err
	}
	kubelet.ContainerLogsDir = config.LogDir
	if err := kubeletapp.RunKubelet(ctx, settings, dependencies); err != nil {
		return err
	}
	<-ctx.Done()
	return containers.Close()
}

// allowUserNamespace lets the kubelet live without /dev/kmsg, which a plain
// user may not read.
func allowUserNamespace() error {
	return utilfeature.DefaultMutableFeatureGate.SetFromMap(map[string]bool{string(features.KubeletInUserNamespace): true})
}

func dependencies(ctx context.Context, config Config, client clientset.Interface) (*kubelet.Dependencies, error) {
	plugins, err := volumePlugins(ctx)
	if err != nil {
		return nil, err
	}
	certificate, err := tls.LoadX509KeyPair(config.CertFile, config.KeyFile)
	if err != nil {
		return nil, err
	}
	return &kubelet.Dependencies{
		KubeClient:                client,
		HeartbeatClient:           client,
		EventClient:               client.CoreV1(),
		CAdvisorInterface:         machine{name: config.Name, cores: config.Cores, memory: config.MemoryBytes, root: config.RootDir},
		ContainerManager:          cm.NewStubContainerManagerWithDevicePluginResource(extraResources(config)),
		OSInterface:               hostOS{},
		HostUtil:                  hostUtil{hostutil.NewHostUtil()},
		Mounter:                   mount.NewFakeMounter(nil),
		Subpather:                 &subpath.FakeSubpath{},
		OOMAdjuster:               oom.NewFakeOOMAdjuster(),
		VolumePlugins:             plugins,
		TLSOptions:                &server.TLSOptions{Config: &tls.Config{Certificates: []tls.Certificate{certificate}}, CertFile: config.CertFile, KeyFile: config.KeyFile},
		TracerProvider:            noop.NewTracerProvider(),
		PodStartupLatencyTracker:  kubeletutil.NewPodStartupLatencyTracker(),
		NodeStartupLatencyTracker: kubeletutil.NewNodeStartupLatencyTracker(),
	}, nil
}

// extraResources are what a device plugin would add, and the ephemeral storage
// that goes unreported because its isolation is off.
func extraResources(config Config) v1.ResourceList {
	resources := v1.ResourceList{v1.ResourceEphemeralStorage: resource.MustParse("1Ti")}
	if config.GPUs > 0 {
		resources["nvidia.com/gpu"] = *resource.NewQuantity(int64(config.GPUs), resource.DecimalSI)
	}
	return resources
}

func volumePlugins(ctx context.Context) ([]volume.VolumePlugin, error) {
	return kubeletapp.ProbeVolumePlugins(ctx, utilfeature.DefaultFeatureGate)
}

// newClient speaks JSON: the address map cannot rewrite protobuf.
func newClient(config Config) (clientset.Interface, error) {
	clientConfig, err := clientcmd.BuildConfigFromFlags("", config.Kubeconfig)
	if err != nil {
		return nil, err
	}
	clientConfig.ContentType = "application/json"
	clientConfig.AcceptContentTypes = "application/json"
	clientConfig.QPS, clientConfig.Burst = 200, 400
	clientConfig.UserAgent = "kubelet/testbed"
	clientConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return addressMap{next: next, inside: config.PodPrefix, shown: config.ShownPrefix}
	})
	return clientset.NewForConfig(rest.CopyConfig(clientConfig))
}
