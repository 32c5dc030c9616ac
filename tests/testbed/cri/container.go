package cri

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A container is one process group and the record of how it ended.
type container struct {
	id        string
	sandboxID string
	image     image
	config    *api.ContainerConfig
	directory string // working directory of its processes
	oomMarker string // the process writes this file to say that it "ran out of memory"
	environ   []string
	created   time.Time
	log       *logFile
	exited    chan struct{} // closed once the end is recorded

	mu       sync.Mutex
	pid      int
	state    api.ContainerState
	started  time.Time
	finished time.Time
	exitCode int32
	reason   string
	message  string
}

// begun records that the process runs.
func (c *container) begun(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid, c.state, c.started = pid, api.ContainerState_CONTAINER_RUNNING, time.Now()
}

// ended records the end once. Reasons are containerd's.
func (c *container) ended(exitCode int32, reason, message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid, c.state, c.finished = 0, api.ContainerState_CONTAINER_EXITED, time.Now()
	if c.started.IsZero() {
		c.started = c.finished
	}
	c.exitCode, c.reason, c.message = exitCode, reason, message
	close(c.exited)
}

// exitReason is what `kubectl describe` shows as the reason of the last state.
func (c *container) exitReason(exitCode int32) string {
	if _, err := os.Stat(c.oomMarker); err == nil {
		return "OOMKilled"
	}
	if exitCode == 0 {
		return "Completed"
	}
	return "Error"
}

// signal goes to the first process only, as with a real runtime.
func (c *container) signal(signal syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid != 0 {
		_ = syscall.Kill(c.pid, signal)
	}
}

func (c *container) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid != 0 {
		killGroup(c.pid)
	}
}

// awaitExit says whether the container is over within the time given. One
// that was never started counts as over.
func (c *container) awaitExit(limit time.Duration) bool {
	c.mu.Lock()
	running := c.state == api.ContainerState_CONTAINER_RUNNING
	c.mu.Unlock()
	if !running {
		return true
	}
	select {
	case <-c.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

func (c *container) currentState() api.ContainerState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *container) status() *api.ContainerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &api.ContainerStatus{
		Id:          c.id,
		Metadata:    c.config.Metadata,
		State:       c.state,
		CreatedAt:   c.created.UnixNano(),
		StartedAt:   nanos(c.started),
		FinishedAt:  nanos(c.finished),
		ExitCode:    c.exitCode,
		Image:       &api.ImageSpec{Image: c.image.reference},
		ImageRef:    c.image.digested(),
		ImageId:     c.image.id(),
		Reason:      c.reason,
		Message:     c.message,
		Labels:      c.config.Labels,
		Annotations: c.config.Annotations,
		Mounts:      c.config.Mounts, // the kubelet finds the termination message through these
		LogPath:     c.log.path,
	}
}

func nanos(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}

func newID() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // documented never to fail
	return hex.EncodeToString(random[:])
}

func (r *Runtime) containerDirectory(id string) string {
	return filepath.Join(r.config.StateDir, id[:12])
}
