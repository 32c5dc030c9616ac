package cri

import (
	"strings"

	api "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// image is a resolved reference. There is no content, so its digests are
// digests of its name: stable, different between tags, and well formed.
type image struct {
	reference  string // as the pod wrote it, with its tag
	name       string // without tag and without the default registry
	tag        string
	executable string // empty when no executable is mapped to the name
}

func resolveReference(reference string) image {
	name, tag := reference, "latest"
	if at := strings.Index(name, "@"); at >= 0 {
		name, tag = name[:at], name[at+1:]
	} else if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name, tag = name[:colon], name[colon+1:]
	}
	return image{reference: reference, name: familiar(name), tag: tag}
}

// familiar drops what docker.io allows to be left out.
func familiar(name string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
}

// repository is the name with its registry.
func (i image) repository() string {
	first, _, found := strings.Cut(i.name, "/")
	switch {
	case !found:
		return "docker.io/library/" + i.name
	case strings.ContainsAny(first, ".:") || first == "localhost":
		return i.name
	default:
		return "docker.io/" + i.name
	}
}

func (i image) full() string { return i.repository() + ":" + i.tag }

func (i image) id() string { return digest("id " + i.full()) }

// digested is what a pod's status shows as imageID.
func (i image) digested() string { return i.repository() + "@" + digest("manifest "+i.full()) }

func (i image) describe() *api.Image {
	return &api.Image{
		Id:          i.id(),
		RepoTags:    []string{i.full()},
		RepoDigests: []string{i.digested()},
		Size:        1,
		Spec:        &api.ImageSpec{Image: i.reference},
	}
}
