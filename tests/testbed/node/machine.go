package node

import (
	"context"
	"os"
	"strings"
	"syscall"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"
)

// machine is what the node claims to be. Real usage is not measured: cAdvisor
// needs cgroups, and what pods may request should not depend on the laptop.
type machine struct {
	name   string
	cores  int
	memory uint64
	root   string
}

var _ cadvisor.Interface = machine{}

func (m machine) Start() error { return nil }

func (m machine) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{
		NumCores:       m.cores,
		MemoryCapacity: m.memory,
		MachineID:      m.name,
		SystemUUID:     m.name,
		BootID:         m.name,
		Topology:       []cadvisorapi.Node{{Id: 0, Memory: m.memory}},
	}, nil
}

func (m machine) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return &cadvisorapi.VersionInfo{
		KernelVersion:      strings.TrimSpace(string(kernel)),
		ContainerOsVersion: "vllm-rollback test bed",
	}, nil
}

func (m machine) ContainerInfoV2(string, cadvisorapiv2.RequestOptions) (map[string]cadvisorapiv2.ContainerInfo, error) {
	return map[string]cadvisorapiv2.ContainerInfo{}, nil
}

func (m machine) GetRequestedContainersInfo(string, cadvisorapiv2.RequestOptions) (map[string]*cadvisorapi.ContainerInfo, error) {
	return map[string]*cadvisorapi.ContainerInfo{}, nil
}

func (m machine) ImagesFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) { return m.disk() }

func (m machine) ContainerFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) { return m.disk() }

func (m machine) RootFsInfo() (cadvisorapiv2.FsInfo, error) { return m.disk() }

func (m machine) GetDirFsInfo(string) (cadvisorapiv2.FsInfo, error) { return m.disk() }

// disk is the real file system: a capacity of zero would be reported as a fault.
func (m machine) disk() (cadvisorapiv2.FsInfo, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(m.root, &stat); err != nil {
		return cadvisorapiv2.FsInfo{}, err
	}
	block := uint64(stat.Bsize)
	inodes, free := stat.Files, stat.Ffree
	return cadvisorapiv2.FsInfo{
		Mountpoint: "/",
		Capacity:   stat.Blocks * block,
		Available:  stat.Bavail * block,
		Usage:      (stat.Blocks - stat.Bfree) * block,
		Inodes:     &inodes,
		InodesFree: &free,
	}, nil
}
