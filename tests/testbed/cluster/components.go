package cluster

import (
	"fmt"
	"os"
	"strconv"
)

// The components' arguments. Whatever is not here is the default of a real cluster.

func etcdArgs(l layout, s *slot) []string {
	return []string{"etcd", "--data-dir=" + l.etcdData(), "--client-url=" + loopback("http", s.ports.etcd), "--peer-url=" + loopback("http", s.ports.etcdPeer)}
}

func apiserverArgs(l layout, s *slot) []string {
	return []string{"kube-apiserver",
		"--etcd-servers=" + loopback("http", s.ports.etcd),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(s.ports.apiserver),
		"--advertise-address=10.0.0.1", // must not be loopback, and is used for nothing
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + l.componentCerts(),
		"--tls-cert-file=" + l.servingCert(),
		"--tls-private-key-file=" + l.servingKey(),
		"--kubelet-certificate-authority=" + l.caCert(),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-key-file=" + l.accountsKey(),
		"--service-account-signing-key-file=" + l.accountsKey(),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=RBAC",
		"--token-auth-file=" + l.tokens(),
		// Pods could not use a token: 10.96.0.1 leads nowhere, and nothing is mounted.
		"--disable-admission-plugins=ServiceAccount",
		"--egress-selector-config-file=" + l.egress(),
		"--allow-privileged=true",
		"--profiling=false",
	}
}

func controllerManagerArgs(l layout) []string {
	return []string{"kube-controller-manager",
		"--kubeconfig=" + l.kubeconfig(),
		"--leader-elect=false",
		"--secure-port=0",
		"--cert-dir=" + l.componentCerts(),
		"--root-ca-file=" + l.caCert(),
		"--service-account-private-key-file=" + l.accountsKey(),
		"--flex-volume-plugin-dir=" + l.flexVolumePlugs(), // the default is made under /usr/libexec
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
}

func schedulerArgs(l layout) []string {
	return []string{"kube-scheduler",
		"--kubeconfig=" + l.kubeconfig(),
		"--leader-elect=false",
		"--secure-port=0",
		"--cert-dir=" + l.componentCerts(),
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
}

// writeEgressConfig sends all that the API server dials inside the cluster
// through our proxy.
func writeEgressConfig(l layout, s *slot) error {
	const text = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: %q
`
	return os.WriteFile(l.egress(), fmt.Appendf(nil, text, s.egressSocket()), 0o600)
}

func loopback(scheme string, port int) string {
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port)
}
