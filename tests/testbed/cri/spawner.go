package cri

import (
	"os/exec"
	"runtime"
	"syscall"
)

// spawner starts processes from one operating system thread that never ends.
// The kernel ties Pdeathsig to the *thread* that forked: from an ordinary
// goroutine a container would be killed when Go retires that thread.
type spawner chan func()

func newSpawner() spawner {
	requests := make(spawner)
	go func() {
		runtime.LockOSThread()
		for request := range requests {
			request()
		}
	}()
	return requests
}

// start runs cmd as the leader of its own process group, to die with this process.
func (s spawner) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error, 1)
	s <- func() { result <- cmd.Start() }
	return <-result
}

// killGroup kills what the process started as well: a container's PID
// namespace would do the same when its first process ends.
func killGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL)
}
