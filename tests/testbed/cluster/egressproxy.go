package cluster

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The API server reaches pods (pods/proxy, services/proxy) and the kubelet
// (logs, exec, port-forward) only through this CONNECT proxy. It turns the
// address that the API knows into the loopback address where the pod listens,
// and refuses everything that is not on this machine.
func serveEgress(s *slot) error {
	listener, err := net.Listen("unix", s.egressSocket())
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		target, err := s.egressTarget(request.Host)
		if request.Method != http.MethodConnect {
			err = fmt.Errorf("method %s is not CONNECT", request.Method)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		pod, err := net.DialTimeout("tcp4", target, 10*time.Second)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		tunnel(w, pod)
	})
	go func() { _ = (&http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}).Serve(listener) }()
	return nil
}

func (s *slot) egressTarget(address string) (string, error) {
	if pod, ok := strings.CutPrefix(address, s.shownPrefix()); ok {
		return s.podPrefix() + pod, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("%s is not an address of this test bed", address)
	}
	return address, nil
}

func tunnel(w http.ResponseWriter, pod net.Conn) {
	defer func() { _ = pod.Close() }()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	over := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(pod, buffered); over <- struct{}{} }()
	go func() { _, _ = io.Copy(client, pod); over <- struct{}{} }()
	<-over
}
