package cluster

import (
	"fmt"
	"net"
	"strconv"
)

// A slot is what clusters side by side must not share: a range of pod
// addresses and a few ports.
//
// It is held by listening on an abstract Unix socket. Such a name belongs to
// the network namespace, exactly as the addresses do, needs no directory that
// two users can write, and is free again the moment its holder dies.
type slot struct {
	number int
	holder net.Listener
	ports  ports
}

type ports struct {
	etcd, etcdPeer, apiserver, kubelet int
}

const (
	slots = 250
	// Below Linux's ephemeral range, so that no outgoing connection takes a
	// port between our test of it and the component's start.
	firstPort    = 21000
	portsPerSlot = 10
)

func takeSlot() (*slot, error) {
	for number := range slots {
		holder, err := net.Listen("unix", fmt.Sprintf("@vllm-rollback-testbed/%d", number))
		if err != nil {
			continue
		}
		base := firstPort + number*portsPerSlot
		s := &slot{number: number, holder: holder, ports: ports{etcd: base, etcdPeer: base + 1, apiserver: base + 2, kubelet: base + 3}}
		if s.portsAreFree() {
			return s, nil
		}
		_ = holder.Close()
	}
	return nil, fmt.Errorf("no free slot: %d clusters run already, or other programs use ports %d to %d", slots, firstPort, firstPort+slots*portsPerSlot)
}

func (s *slot) portsAreFree() bool {
	for _, port := range []int{s.ports.etcd, s.ports.etcdPeer, s.ports.apiserver, s.ports.kubelet} {
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		_ = listener.Close()
	}
	return true
}

// podPrefix is where the pods of this cluster really listen.
func (s *slot) podPrefix() string { return fmt.Sprintf("127.244.%d.", s.number) }

// shownPrefix is what the API calls the same addresses.
func (s *slot) shownPrefix() string { return fmt.Sprintf("10.244.%d.", s.number) }

// egressSocket is the abstract socket of the API server's way to the pods.
func (s *slot) egressSocket() string {
	return fmt.Sprintf("@vllm-rollback-testbed/%d/egress", s.number)
}
