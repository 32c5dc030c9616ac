package cri

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	criapi "k8s.io/cri-api/pkg/apis"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Images implements the CRI ImageManagerService. An image is a name for an
// executable on this machine; nothing is ever downloaded.
type Images struct {
	executables map[string]string

	mu     sync.Mutex
	pulled map[string]image // by full reference
}

var _ criapi.ImageManagerService = (*Images)(nil)

func newImages(mapping map[string]string) *Images {
	executables := map[string]string{}
	for name, path := range mapping {
		executables[familiar(name)] = path
	}
	return &Images{executables: executables, pulled: map[string]image{}}
}

// PullImage fails for a tag with "missing" in it, and takes 3 s for "slowpull".
func (i *Images) PullImage(ctx context.Context, spec *api.ImageSpec, _ *api.AuthConfig, _ *api.PodSandboxConfig) (string, error) {
	img := i.resolve(spec.GetImage())
	if strings.Contains(img.tag, "slowpull") {
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	if strings.Contains(img.tag, "missing") {
		return "", status.Errorf(codes.NotFound, "failed to pull and unpack image %q: failed to resolve reference %q: %s: not found",
			img.full(), img.full(), img.full())
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pulled[img.full()] = img
	return img.id(), nil
}

// ImageStatus answers with no image when it was not pulled.
func (i *Images) ImageStatus(_ context.Context, spec *api.ImageSpec, _ bool) (*api.ImageStatusResponse, error) {
	if img, ok := i.find(spec.GetImage()); ok {
		return &api.ImageStatusResponse{Image: img.describe()}, nil
	}
	return &api.ImageStatusResponse{}, nil
}

// ListImages lists what was pulled; the node's status shows it.
func (i *Images) ListImages(_ context.Context, filter *api.ImageFilter) ([]*api.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var found []*api.Image
	for _, img := range i.pulled {
		if wanted := filter.GetImage().GetImage(); wanted == "" || wanted == img.id() || wanted == img.reference {
			found = append(found, img.describe())
		}
	}
	return found, nil
}

// RemoveImage forgets that the image was pulled.
func (i *Images) RemoveImage(_ context.Context, spec *api.ImageSpec) error {
	img, ok := i.find(spec.GetImage())
	if !ok {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.pulled, img.full())
	return nil
}

// ImageFsInfo reports an empty image store, so that nothing is ever collected.
func (i *Images) ImageFsInfo(context.Context) (*api.ImageFsInfoResponse, error) {
	usage := []*api.FilesystemUsage{{
		Timestamp:  time.Now().UnixNano(),
		FsId:       &api.FilesystemIdentifier{Mountpoint: "/"},
		UsedBytes:  &api.UInt64Value{Value: 1},
		InodesUsed: &api.UInt64Value{Value: 1},
	}}
	return &api.ImageFsInfoResponse{ImageFilesystems: usage, ContainerFilesystems: usage}, nil
}

// Close has nothing to close.
func (i *Images) Close() error { return nil }

// lookup finds the image of a container, which the kubelet names by ID.
func (i *Images) lookup(spec *api.ImageSpec) image {
	if img, ok := i.find(spec.GetImage()); ok {
		return img
	}
	return i.resolve(spec.GetUserSpecifiedImage())
}

func (i *Images) find(name string) (image, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, img := range i.pulled {
		if name == img.id() || name == img.digested() || resolveReference(name).full() == img.full() {
			return img, true
		}
	}
	return image{}, false
}

func (i *Images) resolve(reference string) image {
	img := resolveReference(reference)
	img.executable = i.executables[img.name]
	if path, ok := i.executables[img.name+":"+img.tag]; ok {
		img.executable = path
	}
	return img
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
