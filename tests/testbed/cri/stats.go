package cri

import (
	"context"

	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Usage is not measured: without cgroups a number would be a guess. The
// kubelet accepts empty answers, and eviction is off.

// ContainerStats is empty.
func (r *Runtime) ContainerStats(context.Context, string) (*api.ContainerStats, error) {
	return &api.ContainerStats{}, nil
}

// ListContainerStats is empty.
func (r *Runtime) ListContainerStats(context.Context, *api.ContainerStatsFilter) ([]*api.ContainerStats, error) {
	return nil, nil
}

// PodSandboxStats is empty.
func (r *Runtime) PodSandboxStats(context.Context, string) (*api.PodSandboxStats, error) {
	return &api.PodSandboxStats{}, nil
}

// ListPodSandboxStats is empty.
func (r *Runtime) ListPodSandboxStats(context.Context, *api.PodSandboxStatsFilter) ([]*api.PodSandboxStats, error) {
	return nil, nil
}

// ListMetricDescriptors is empty.
func (r *Runtime) ListMetricDescriptors(context.Context) ([]*api.MetricDescriptor, error) {
	return nil, nil
}

// ListPodSandboxMetrics is empty.
func (r *Runtime) ListPodSandboxMetrics(context.Context) ([]*api.PodSandboxMetrics, error) {
	return nil, nil
}
