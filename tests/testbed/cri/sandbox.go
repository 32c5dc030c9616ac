package cri

import (
	"context"
	"fmt"
	"strconv"
	"time"

	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A sandbox is a pod's place in the runtime. Its only resource is a loopback
// address of its own, so that two pods can both listen on port 8000.
type sandbox struct {
	id      string
	config  *api.PodSandboxConfig
	created time.Time
	address string // empty with host networking
	ready   bool
}

// RunPodSandbox gives the pod its address.
func (r *Runtime) RunPodSandbox(_ context.Context, config *api.PodSandboxConfig, _ string) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &sandbox{id: newID(), config: config, created: time.Now(), ready: true}
	if networkMode(config) != api.NamespaceMode_NODE {
		address, err := r.freeAddress()
		if err != nil {
			return "", err
		}
		s.address = address
	}
	r.sandboxes[s.id] = s
	return s.id, nil
}

// freeAddress goes round the range before it uses an address again: a client
// that still holds the address of a dead pod should meet a closed port, not
// the next pod. The caller holds the lock.
func (r *Runtime) freeAddress() (string, error) {
	used := map[string]bool{}
	for _, s := range r.sandboxes {
		if s.ready {
			used[s.address] = true
		}
	}
	for range 254 {
		r.lastHost = r.lastHost%254 + 1
		if address := r.config.PodPrefix + strconv.Itoa(r.lastHost); !used[address] {
			return address, nil
		}
	}
	return "", fmt.Errorf("failed to setup network for sandbox: no addresses left in %s0/24", r.config.PodPrefix)
}

// StopPodSandbox kills what still runs in the pod and frees its address.
func (r *Runtime) StopPodSandbox(_ context.Context, id string) error {
	for _, c := range r.containersOf(id) {
		c.kill()
		c.awaitExit(5 * time.Second)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sandboxes[id]; s != nil {
		s.ready = false
	}
	return nil
}

// RemovePodSandbox forgets the pod and its containers.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	for _, c := range r.containersOf(id) {
		if err := r.RemoveContainer(ctx, c.id); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sandboxes, id)
	return nil
}

// PodSandboxStatus includes the address, from which the kubelet takes status.podIP.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string, _ bool) (*api.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandboxes[id]
	if s == nil {
		return nil, notFound("sandbox", id)
	}
	return &api.PodSandboxStatusResponse{Status: &api.PodSandboxStatus{
		Id:          s.id,
		Metadata:    s.config.Metadata,
		State:       s.state(),
		CreatedAt:   s.created.UnixNano(),
		Network:     &api.PodSandboxNetworkStatus{Ip: s.address},
		Linux:       &api.LinuxPodSandboxStatus{Namespaces: &api.Namespace{Options: s.config.GetLinux().GetSecurityContext().GetNamespaceOptions()}},
		Labels:      s.config.Labels,
		Annotations: s.config.Annotations,
	}}, nil
}

// ListPodSandbox honours every filter: the kubelet deletes what it is told of.
func (r *Runtime) ListPodSandbox(_ context.Context, filter *api.PodSandboxFilter) ([]*api.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*api.PodSandbox
	for _, s := range r.sandboxes {
		if filter.GetId() != "" && filter.GetId() != s.id ||
			filter.GetState() != nil && filter.GetState().State != s.state() ||
			!matchesLabels(filter.GetLabelSelector(), s.config.Labels) {
			continue
		}
		found = append(found, &api.PodSandbox{
			Id: s.id, Metadata: s.config.Metadata, State: s.state(), CreatedAt: s.created.UnixNano(),
			Labels: s.config.Labels, Annotations: s.config.Annotations,
		})
	}
	return found, nil
}

// UpdatePodSandboxResources has nothing to resize: there are no cgroups.
func (r *Runtime) UpdatePodSandboxResources(context.Context, *api.UpdatePodSandboxResourcesRequest) (*api.UpdatePodSandboxResourcesResponse, error) {
	return &api.UpdatePodSandboxResourcesResponse{}, nil
}

func (s *sandbox) state() api.PodSandboxState {
	if s.ready {
		return api.PodSandboxState_SANDBOX_READY
	}
	return api.PodSandboxState_SANDBOX_NOTREADY
}

// bindAddress is where the pod's processes listen.
func (s *sandbox) bindAddress() string {
	if s.address == "" {
		return "127.0.0.1"
	}
	return s.address
}

func networkMode(config *api.PodSandboxConfig) api.NamespaceMode {
	return config.GetLinux().GetSecurityContext().GetNamespaceOptions().GetNetwork()
}

func matchesLabels(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}
