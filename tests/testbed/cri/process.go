package cri

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launch starts the process with its output going to the container's log.
func (r *Runtime) launch(c *container) error {
	argv := c.argv()
	cmd := command(c, argv)
	stdout, stdoutWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	stderr, stderrWriter, err := os.Pipe()
	if err != nil {
		_, _ = stdout.Close(), stdoutWriter.Close()
		return err
	}
	cmd.Stdout, cmd.Stderr = stdoutWriter, stderrWriter
	err = r.spawner.start(cmd)
	_, _ = stdoutWriter.Close(), stderrWriter.Close()
	if err != nil {
		_, _ = stdout.Close(), stderr.Close()
		return startError(argv[0], err)
	}
	c.begun(cmd.Process.Pid)

	var readers sync.WaitGroup
	readers.Go(func() { c.log.copy("stdout", stdout) })
	readers.Go(func() { c.log.copy("stderr", stderr) })
	go func() {
		exitCode := awaitGroup(cmd)
		drain(&readers, stdout, stderr)
		c.ended(exitCode, c.exitReason(exitCode), "")
	}()
	return nil
}

// argv is the container's command, or else the image's executable.
func (c *container) argv() []string {
	if len(c.config.Command) > 0 {
		return append(append([]string{}, c.config.Command...), c.config.Args...)
	}
	if c.image.executable != "" {
		return append([]string{c.image.executable}, c.config.Args...)
	}
	const script = `echo "testbed: image $0 is not mapped to an executable (--image NAME=PATH) and the container has no command" >&2; exit 127`
	return []string{"/bin/sh", "-c", script, c.image.reference}
}

func command(c *container, argv []string) *exec.Cmd {
	// #nosec G204 -- running what the pod says is what a container runtime is for
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = c.environ
	cmd.Dir = c.directory
	return cmd
}

// awaitGroup returns the exit code once the first process has ended. The group
// is killed while that process is still a zombie, because until it is reaped
// no other process can get its number.
func awaitGroup(cmd *exec.Cmd) int32 {
	pid := cmd.Process.Pid
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	killGroup(pid)
	_ = cmd.Wait()
	return exitCode(cmd.ProcessState)
}

func exitCode(state *os.ProcessState) int32 {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(state.ExitCode())
}

// drain waits for the last log lines, but not for a process that left the
// group and still holds the pipe.
func drain(readers *sync.WaitGroup, pipes ...*os.File) {
	done := make(chan struct{})
	go func() {
		readers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	for _, pipe := range pipes {
		_ = pipe.Close()
	}
}

// startError reads as containerd's, because operators and tools match on it.
func startError(name string, err error) error {
	cause := err.Error()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		cause = fmt.Sprintf("exec: %q: executable file not found in $PATH", name)
	case errors.Is(err, fs.ErrNotExist):
		cause = fmt.Sprintf("exec: %q: stat %s: no such file or directory", name, name)
	case errors.Is(err, fs.ErrPermission):
		cause = fmt.Sprintf("exec: %q: permission denied", name)
	}
	return fmt.Errorf("failed to create containerd task: failed to create shim task: OCI runtime create failed: "+
		"runc create failed: unable to start container process: error during container init: %s: unknown", strings.TrimSpace(cause))
}
