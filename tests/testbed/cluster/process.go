package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// clusterVariable marks every process of a cluster, down to the grandchildren
// of its pods, with the cluster's identity.
const clusterVariable = "TESTBED_CLUSTER"

// exit says which component ended.
type exit struct {
	name string
	err  error
}

// supervisor starts components and hears of their end. It must be used from
// one locked thread: see Pdeathsig in startComponent.
type supervisor struct {
	layout    layout
	clusterID string
	exits     chan exit
	pids      map[string]int
}

// startComponent runs this same binary as a component. It is killed by the
// kernel when the thread that started it ends, that is, with us.
func (s *supervisor) startComponent(args []string, attributes syscall.SysProcAttr) error {
	name := args[0]
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(s.layout.log(name))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// #nosec G204 -- our own binary
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = string(s.layout)
	cmd.Env = append(os.Environ(), clusterVariable+"="+s.clusterID)
	attributes.Pdeathsig = syscall.SIGKILL
	attributes.Setpgid = true // a Ctrl-C at the terminal is for us to handle
	cmd.SysProcAttr = &attributes
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	s.pids[name] = cmd.Process.Pid
	go func() { s.exits <- exit{name, cmd.Wait()} }()
	return nil
}

// kubeletAttributes put the kubelet in a user namespace of its own where it
// may not read /dev/kmsg: there it starts without.
func kubeletAttributes() syscall.SysProcAttr {
	if kmsg, err := os.Open("/dev/kmsg"); err == nil {
		_ = kmsg.Close()
		return syscall.SysProcAttr{}
	}
	return syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// shortPath gives a directory a name that leaves room for a socket's: the
// kubelet makes one 27 characters below its root, and 107 is the limit.
func shortPath(directory, clusterID string) (path string, link string, err error) {
	if len(directory) <= 70 {
		return directory, "", nil
	}
	link = filepath.Join("/tmp", "vllm-testbed-"+clusterID)
	return link, link, os.Symlink(directory, link)
}
