package cri

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// CreateContainer prepares the directory, the environment and the log file.
func (r *Runtime) CreateContainer(_ context.Context, sandboxID string, config *api.ContainerConfig, sandboxConfig *api.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[sandboxID]
	if s == nil {
		return "", notFound("sandbox", sandboxID)
	}
	id := newID()
	c := &container{
		id:        id,
		sandboxID: sandboxID,
		image:     r.images.lookup(config.GetImage()),
		config:    config,
		directory: filepath.Join(r.containerDirectory(id), "cwd"),
		oomMarker: filepath.Join(r.containerDirectory(id), "oom-killed"),
		created:   time.Now(),
		exited:    make(chan struct{}),
		state:     api.ContainerState_CONTAINER_CREATED,
	}
	c.environ = environment(r.config, s, c)
	if err := os.MkdirAll(c.directory, 0o755); err != nil {
		return "", err
	}
	log, err := openLog(filepath.Join(sandboxConfig.LogDirectory, config.LogPath))
	if err != nil {
		return "", fmt.Errorf("failed to create container log: %w", err)
	}
	c.log = log
	r.containers[id] = c
	return id, nil
}

// StartContainer runs the container's command, or the image's executable.
func (r *Runtime) StartContainer(_ context.Context, id string) error {
	c, err := r.container(id)
	if err != nil {
		return err
	}
	if state := c.currentState(); state != api.ContainerState_CONTAINER_CREATED {
		return fmt.Errorf("failed to start container %q: it is in state %s", id, state)
	}
	if err := r.launch(c); err != nil {
		// The exit code and the reason are those of containerd for a command that cannot be run.
		c.ended(128, "StartError", err.Error())
		return err
	}
	return nil
}

// StopContainer sends SIGTERM, and SIGKILL to the whole group when the grace period is over.
func (r *Runtime) StopContainer(_ context.Context, id string, graceSeconds int64) error {
	c, err := r.container(id)
	if err != nil {
		return nil // already removed, which is what was asked for
	}
	if graceSeconds > 0 {
		c.signal(syscall.SIGTERM)
		if c.awaitExit(time.Duration(graceSeconds) * time.Second) {
			return nil
		}
	}
	c.kill()
	if !c.awaitExit(10 * time.Second) {
		return fmt.Errorf("container %q is still running after SIGKILL", id)
	}
	return nil
}

// RemoveContainer deletes the container's directory and its log.
func (r *Runtime) RemoveContainer(_ context.Context, id string) error {
	c, err := r.container(id)
	if err != nil {
		return nil
	}
	c.kill()
	c.awaitExit(10 * time.Second)
	r.mu.Lock()
	delete(r.containers, id)
	r.mu.Unlock()
	c.log.close()
	return os.RemoveAll(r.containerDirectory(id))
}

// ListContainers honours every filter.
func (r *Runtime) ListContainers(_ context.Context, filter *api.ContainerFilter) ([]*api.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*api.Container
	for _, c := range r.containers {
		state := c.currentState()
		if filter.GetId() != "" && filter.GetId() != c.id ||
			filter.GetPodSandboxId() != "" && filter.GetPodSandboxId() != c.sandboxID ||
			filter.GetState() != nil && filter.GetState().State != state ||
			!matchesLabels(filter.GetLabelSelector(), c.config.Labels) {
			continue
		}
		found = append(found, &api.Container{
			Id: c.id, PodSandboxId: c.sandboxID, Metadata: c.config.Metadata,
			Image: &api.ImageSpec{Image: c.image.reference}, ImageRef: c.image.digested(), ImageId: c.image.id(),
			State: state, CreatedAt: c.created.UnixNano(), Labels: c.config.Labels, Annotations: c.config.Annotations,
		})
	}
	return found, nil
}

// ContainerStatus is where the kubelet reads exit code, reason and log path.
func (r *Runtime) ContainerStatus(_ context.Context, id string, _ bool) (*api.ContainerStatusResponse, error) {
	c, err := r.container(id)
	if err != nil {
		return nil, err
	}
	return &api.ContainerStatusResponse{Status: c.status()}, nil
}

// UpdateContainerResources has nothing to resize: there are no cgroups.
func (r *Runtime) UpdateContainerResources(context.Context, string, *api.ContainerResources) error {
	return nil
}

// ReopenContainerLog is called after the kubelet rotated the file.
func (r *Runtime) ReopenContainerLog(_ context.Context, id string) error {
	c, err := r.container(id)
	if err != nil {
		return err
	}
	return c.log.reopen()
}

func (r *Runtime) container(id string) (*container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		return c, nil
	}
	return nil, notFound("container", id)
}

func (r *Runtime) containersOf(sandboxID string) []*container {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*container
	for _, c := range r.containers {
		if c.sandboxID == sandboxID {
			found = append(found, c)
		}
	}
	return found
}
