package node

import (
	"path/filepath"
	"time"

	"k8s.io/kubernetes/cmd/kubelet/app/options"
)

// settings are the kubelet's flags and configuration. What differs from the
// defaults does so because there are no cgroups, mounts or cloud, or to keep
// tests short.
func settings(c Config) (*options.KubeletServer, error) {
	flags := options.NewKubeletFlags()
	flags.RootDirectory = c.RootDir
	flags.CertDirectory = filepath.Join(c.RootDir, "pki")
	flags.HostnameOverride = c.Name
	// A loopback node address is refused; one that a cloud provider set is not checked.
	flags.CloudProvider = "external"
	flags.MaxPerPodContainerCount = 2 // keeps the previous container for `logs --previous`
	flags.MaxContainerCount = -1

	config, err := options.NewKubeletConfiguration()
	if err != nil {
		return nil, err
	}
	config.EnableServer = true
	config.Address = "127.0.0.1"
	config.Port = int32(c.Port)
	config.ReadOnlyPort = 0
	config.HealthzPort = 0
	config.PodLogsDir = c.LogDir
	config.ProviderID = "testbed://" + c.Name
	config.ClusterDNS = []string{"10.96.0.10"} // nobody answers there; without it every pod gets a warning event
	config.ClusterDomain = "cluster.local"
	config.MaxPods = 110
	config.MaxOpenFiles = 65536
	config.SerializeImagePulls = false
	config.CgroupsPerQOS = false
	config.EnforceNodeAllocatable = nil
	config.EvictionHard = map[string]string{}
	config.LocalStorageCapacityIsolation = false
	config.EnableControllerAttachDetach = false
	config.ImageGCHighThresholdPercent = 100
	config.FailSwapOn = false
	// A pod's status says CrashLoopBackOff only from a sync *during* the
	// back-off, so the syncs must come more often than the back-off lasts.
	config.SyncFrequency.Duration = time.Second
	config.NodeStatusUpdateFrequency.Duration = 10 * time.Second
	// 10 s doubling to 5 min by default; a crash loop is still a crash loop at 5 s.
	config.CrashLoopBackOff.MaxContainerRestartPeriod.Duration = 5 * time.Second
	config.ContainerRuntimeEndpoint = "unix:///dev/null/testbed" // never dialled
	return &options.KubeletServer{KubeletFlags: *flags, KubeletConfiguration: *config}, nil
}
