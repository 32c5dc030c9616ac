package cri

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/client-go/tools/remotecommand"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"
	utilexec "k8s.io/utils/exec"
)

// ExecSync runs exec probes and lifecycle hooks. A failing command is an
// ExitError with its code, which the kubelet tells apart from a broken runtime.
func (r *Runtime) ExecSync(ctx context.Context, id string, argv []string, limit time.Duration) ([]byte, []byte, error) {
	c, err := r.running(id)
	if err != nil {
		return nil, nil, err
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	var stdout, stderr bytes.Buffer
	err = r.run(ctx, c, argv, nil, &stdout, &stderr)
	if ctx.Err() != nil {
		err = status.Errorf(codes.DeadlineExceeded, "failed to exec in container: timeout %s exceeded: %v", limit, ctx.Err())
	}
	return stdout.Bytes(), stderr.Bytes(), err
}

// Exec is `kubectl exec`, as the stream server calls it.
func (s *streamServer) Exec(ctx context.Context, id string, argv []string, in io.Reader, out, errOut io.WriteCloser, tty bool, _ <-chan remotecommand.TerminalSize) error {
	c, err := s.runtime.running(id)
	if err != nil {
		return err
	}
	if tty {
		return unsupported("terminals (use kubectl exec without -t)")
	}
	return s.runtime.run(ctx, c, argv, in, out, errOut)
}

func (r *Runtime) run(ctx context.Context, c *container, argv []string, in io.Reader, out, errOut io.Writer) error {
	cmd := command(c, argv)
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.WaitDelay = time.Second // do not wait for a background child that holds the output
	if in != nil {
		// Through a pipe of our own: with cmd.Stdin set, Wait would last until
		// the client closes its side.
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(stdin, in)
			_ = stdin.Close()
		}()
	}
	if err := r.spawner.start(cmd); err != nil {
		return fmt.Errorf("failed to exec in container: failed to start exec: %w", startError(argv[0], err))
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
			killGroup(cmd.Process.Pid)
		case <-c.exited: // what was executed in a container ends with it
			killGroup(cmd.Process.Pid)
		case <-ended:
		}
	}()
	err := cmd.Wait()
	close(ended)
	if _, failed := err.(*exec.ExitError); failed {
		code := int(exitCode(cmd.ProcessState))
		return utilexec.CodeExitError{Err: fmt.Errorf("command terminated with exit code %d", code), Code: code}
	}
	return nil
}

func (r *Runtime) running(id string) (*container, error) {
	c, err := r.container(id)
	if err != nil {
		return nil, err
	}
	if state := c.currentState(); state != api.ContainerState_CONTAINER_RUNNING {
		return nil, status.Errorf(codes.Unknown, "failed to exec in container: container is in %s state", state)
	}
	return c, nil
}
