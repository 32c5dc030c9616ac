// Package cri is a container runtime in which a container is a local process.
//
// The kubelet is given this runtime as Go interfaces, so everything that makes
// Kubernetes Kubernetes (probes, back-off, restart counts, graceful deletion,
// logs, exec, port-forward) is the kubelet's own behaviour and not a copy of it.
// What is missing is what only a container can give: no mount, network or PID
// namespace, no cgroup, no user switch.
package cri

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	criapi "k8s.io/cri-api/pkg/apis"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Config says where the runtime keeps its files and what it may run.
type Config struct {
	StateDir  string            // absolute; one directory per container below it
	PodPrefix string            // first three octets of pod addresses with a dot, "127.244.7."
	ClusterID string            // put in every process's environment as TESTBED_CLUSTER
	Images    map[string]string // image name, with or without tag, to an executable
}

// Runtime implements the CRI RuntimeService.
type Runtime struct {
	config  Config
	spawner spawner
	images  *Images
	streams *streamServer

	mu         sync.Mutex
	sandboxes  map[string]*sandbox
	containers map[string]*container
	lastHost   int
}

var _ criapi.RuntimeService = (*Runtime)(nil)

// New makes the state directory and starts the exec and port-forward server.
func New(config Config) (*Runtime, *Images, error) {
	if err := os.MkdirAll(filepath.Join(config.StateDir), 0o755); err != nil {
		return nil, nil, err
	}
	r := &Runtime{
		config:     config,
		spawner:    newSpawner(),
		images:     newImages(config.Images),
		sandboxes:  map[string]*sandbox{},
		containers: map[string]*container{},
	}
	streams, err := startStreamServer(r)
	if err != nil {
		return nil, nil, err
	}
	r.streams = streams
	return r, r.images, nil
}

// Version answers with the CRI version; the kubelet refuses an empty one.
func (r *Runtime) Version(context.Context, string) (*api.VersionResponse, error) {
	return &api.VersionResponse{Version: "0.1.0", RuntimeName: "testbed", RuntimeVersion: "1.0.0", RuntimeApiVersion: "v1"}, nil
}

// Status reports a runtime that is always ready: there is nothing that could be down.
func (r *Runtime) Status(context.Context, bool) (*api.StatusResponse, error) {
	return &api.StatusResponse{
		Status: &api.RuntimeStatus{Conditions: []*api.RuntimeCondition{
			{Type: api.RuntimeReady, Status: true},
			{Type: api.NetworkReady, Status: true},
		}},
		RuntimeHandlers: []*api.RuntimeHandler{{Name: "", Features: &api.RuntimeHandlerFeatures{}}},
	}, nil
}

// RuntimeConfig names a cgroup driver because the kubelet asks; none is used.
func (r *Runtime) RuntimeConfig(context.Context) (*api.RuntimeConfigResponse, error) {
	return &api.RuntimeConfigResponse{Linux: &api.LinuxRuntimeConfiguration{CgroupDriver: api.CgroupDriver_CGROUPFS}}, nil
}

// UpdateRuntimeConfig is called with the node's pod CIDR, which this runtime does not use.
func (r *Runtime) UpdateRuntimeConfig(context.Context, *api.RuntimeConfig) error { return nil }

// CheckpointContainer is not supported.
func (r *Runtime) CheckpointContainer(context.Context, *api.CheckpointContainerRequest) error {
	return unsupported("checkpoint")
}

// GetContainerEvents is not supported; the kubelet then polls (generic PLEG).
func (r *Runtime) GetContainerEvents(context.Context, chan *api.ContainerEventResponse, func(api.RuntimeService_GetContainerEventsClient)) error {
	return unsupported("container events")
}

// Close kills every container at once. It is the last thing a kubelet does here.
func (r *Runtime) Close() error {
	r.mu.Lock()
	var running []*container
	for _, c := range r.containers {
		running = append(running, c)
	}
	r.mu.Unlock()
	for _, c := range running {
		c.kill()
	}
	for _, c := range running {
		c.awaitExit(time.Second)
	}
	return nil
}

func unsupported(what string) error {
	return status.Errorf(codes.Unimplemented, "the test bed's runtime does not support %s", what)
}

func notFound(kind, id string) error {
	return status.Errorf(codes.NotFound, "an error occurred when try to find %s %q: not found", kind, id)
}
