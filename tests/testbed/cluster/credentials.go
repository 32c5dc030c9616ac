package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientapi "k8s.io/client-go/tools/clientcmd/api"
)

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	_, _ = rand.Read(random) // documented never to fail
	return hex.EncodeToString(random)
}

// writeTokens writes the API server's --token-auth-file: the administrator,
// and users without any rights for tests of RBAC.
func writeTokens(l layout, admin string, extra []extraToken) error {
	lines := []string{admin + ",testbed-admin,testbed-admin,system:masters"}
	for _, t := range extra {
		line := fmt.Sprintf("%s,%s,%s", t.token, t.user, t.user)
		if t.groups != "" {
			line += `,"` + t.groups + `"`
		}
		lines = append(lines, line)
	}
	return os.WriteFile(l.tokens(), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// writeKubeconfig writes the administrator's, which the components use as well.
func writeKubeconfig(l layout, server, token string) error {
	ca, err := os.ReadFile(l.caCert())
	if err != nil {
		return err
	}
	config := clientapi.NewConfig()
	config.Clusters["testbed"] = &clientapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos["testbed-admin"] = &clientapi.AuthInfo{Token: token}
	config.Contexts["testbed"] = &clientapi.Context{Cluster: "testbed", AuthInfo: "testbed-admin"}
	config.CurrentContext = "testbed"
	return clientcmd.WriteToFile(*config, l.kubeconfig())
}

// extraToken is --extra-token TOKEN=USER[:GROUP,GROUP...].
type extraToken struct {
	token, user, groups string
}

func parseExtraToken(text string) (extraToken, error) {
	token, rest, found := strings.Cut(text, "=")
	user, groups, _ := strings.Cut(rest, ":")
	if !found || token == "" || user == "" {
		return extraToken{}, fmt.Errorf("--extra-token wants TOKEN=USER or TOKEN=USER:GROUP,GROUP, not %q", text)
	}
	return extraToken{token: token, user: user, groups: groups}, nil
}
