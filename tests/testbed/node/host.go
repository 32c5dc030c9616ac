package node

import (
	"os"
	"strings"

	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
)

// hostOS keeps the kubelet out of the one path that cannot be configured.
// The links there are for log collectors of another age.
type hostOS struct {
	kubecontainer.RealOS
}

const legacyLogs = "/var/log/containers"

func (h hostOS) Symlink(target, link string) error {
	if strings.HasPrefix(link, legacyLogs) {
		return nil
	}
	return h.RealOS.Symlink(target, link)
}

func (h hostOS) Remove(path string) error {
	if strings.HasPrefix(path, legacyLogs) {
		return nil
	}
	return h.RealOS.Remove(path)
}

func (h hostOS) Glob(pattern string) ([]string, error) {
	if strings.HasPrefix(pattern, legacyLogs) {
		return nil, nil
	}
	return h.RealOS.Glob(pattern)
}

func (h hostOS) MkdirAll(path string, mode os.FileMode) error {
	if strings.HasPrefix(path, legacyLogs) {
		return nil
	}
	return h.RealOS.MkdirAll(path, mode)
}

// hostUtil is the real one without the bind mount, which needs CAP_SYS_ADMIN.
type hostUtil struct {
	*hostutil.HostUtil
}

func (hostUtil) MakeRShared(string) error { return nil }
