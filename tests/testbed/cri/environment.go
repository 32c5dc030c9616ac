package cri

import (
	"os"
	"path/filepath"
	"strings"
)

// environment is what a container's process sees. The runtime's own variables
// come first, so that the pod's spec can override them, except for TESTBED_*.
func environment(config Config, s *sandbox, c *container) []string {
	environ := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.Getenv("HOME"),
		"HOSTNAME=" + s.config.GetMetadata().GetName(),
		"POD_NAME=" + s.config.GetMetadata().GetName(),
		"POD_NAMESPACE=" + s.config.GetMetadata().GetNamespace(),
		"POD_BIND_IP=" + s.bindAddress(),
	}
	for _, mount := range c.config.Mounts {
		host, err := filepath.Abs(mount.HostPath)
		if err != nil {
			host = mount.HostPath
		}
		environ = append(environ, mountVariable(mount.ContainerPath)+"="+host)
	}
	for _, variable := range c.config.Envs {
		environ = append(environ, variable.Key+"="+variable.Value)
	}
	return append(environ,
		"TESTBED_OOM_MARKER="+c.oomMarker,
		"TESTBED_CLUSTER="+config.ClusterID, // by which a dead cluster's processes are found
	)
}

// mountVariable names the variable that says where a volume's files are: there
// is no mount namespace, so /etc/vllm is found through $MOUNT_etc_vllm.
func mountVariable(containerPath string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.Trim(containerPath, "/"))
	return "MOUNT_" + name
}
