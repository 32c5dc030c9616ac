// Package node runs the real kubelet on the process runtime of package cri.
package node

import (
	"encoding/json"
	"os"
)

// Config is written by `testbed up` and read by `testbed kubelet`.
type Config struct {
	Name        string
	Kubeconfig  string
	RootDir     string // short: the kubelet makes a socket below it
	LogDir      string // of pods, in the CRI format
	RuntimeDir  string
	Port        int
	CertFile    string
	KeyFile     string
	PodPrefix   string // "127.244.7."
	ShownPrefix string // "10.244.7.", which the API is told instead
	ClusterID   string
	GPUs        int
	Cores       int
	MemoryBytes uint64
	Images      map[string]string
}

// Save writes the configuration.
func (c Config) Save(path string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// Load reads the configuration.
func Load(path string) (Config, error) {
	var c Config
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}
