package cluster

import (
	"os"
	"path/filepath"
)

// layout names the files of a cluster's directory.
type layout string

func (l layout) path(parts ...string) string {
	return filepath.Join(append([]string{string(l)}, parts...)...)
}

func (l layout) caCert() string          { return l.path("pki", "ca.crt") }
func (l layout) servingCert() string     { return l.path("pki", "serving.crt") }
func (l layout) servingKey() string      { return l.path("pki", "serving.key") }
func (l layout) accountsKey() string     { return l.path("pki", "service-accounts.key") }
func (l layout) tokens() string          { return l.path("pki", "tokens.csv") }
func (l layout) egress() string          { return l.path("egress.yaml") }
func (l layout) kubeconfig() string      { return l.path("kubeconfig") }
func (l layout) nodeConfig() string      { return l.path("node.json") }
func (l layout) description() string     { return l.path("cluster.json") }
func (l layout) log(name string) string  { return l.path("logs", name+".log") }
func (l layout) kubeletRoot() string     { return l.path("kubelet") }
func (l layout) podLogs() string         { return l.path("pods") }
func (l layout) containerState() string  { return l.path("containers") }
func (l layout) etcdData() string        { return l.path("etcd") }
func (l layout) componentCerts() string  { return l.path("pki", "components") }
func (l layout) flexVolumePlugs() string { return l.path("flexvolume") }

// prepare empties what an earlier cluster left: every start is a new cluster.
// It removes only what a cluster makes, never the directory that it was given.
func (l layout) prepare() error {
	old := []string{l.path("pki"), l.path("logs"), l.kubeletRoot(), l.podLogs(), l.containerState(), l.etcdData(),
		l.flexVolumePlugs(), l.egress(), l.kubeconfig(), l.nodeConfig(), l.description()}
	for _, path := range old {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	for _, path := range []string{l.path("pki"), l.path("logs"), l.kubeletRoot(), l.podLogs(), l.containerState()} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	}
	return nil
}
