package cri

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"k8s.io/client-go/tools/remotecommand"
	api "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/kubelet/pkg/cri/streaming"
)

// streamServer carries exec and port-forward. The kubelet proxies to it.
type streamServer struct {
	runtime *Runtime
	server  streaming.Server
}

func startStreamServer(r *Runtime) (*streamServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	config := streaming.DefaultConfig
	config.BaseURL = &url.URL{Scheme: "http", Host: listener.Addr().String()}
	s := &streamServer{runtime: r}
	if s.server, err = streaming.NewServer(config, s); err != nil {
		return nil, err
	}
	go func() { _ = (&http.Server{Handler: s.server, ReadHeaderTimeout: time.Minute}).Serve(listener) }()
	return s, nil
}

// Exec hands out a one-time address.
func (r *Runtime) Exec(_ context.Context, request *api.ExecRequest) (*api.ExecResponse, error) {
	if _, err := r.running(request.ContainerId); err != nil {
		return nil, err
	}
	return r.streams.server.GetExec(request)
}

// PortForward hands out a one-time address.
func (r *Runtime) PortForward(_ context.Context, request *api.PortForwardRequest) (*api.PortForwardResponse, error) {
	return r.streams.server.GetPortForward(request)
}

// Attach is not supported: a container's standard input is closed.
func (r *Runtime) Attach(context.Context, *api.AttachRequest) (*api.AttachResponse, error) {
	return nil, unsupported("attach")
}

// Attach is never reached; the interface wants it.
func (s *streamServer) Attach(context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return unsupported("attach")
}

// PortForward connects one stream to a port of the pod.
func (s *streamServer) PortForward(ctx context.Context, sandboxID string, port int32, stream io.ReadWriteCloser) error {
	s.runtime.mu.Lock()
	box := s.runtime.sandboxes[sandboxID]
	s.runtime.mu.Unlock()
	if box == nil || !box.ready {
		return notFound("sandbox", sandboxID)
	}
	defer func() { _ = stream.Close() }()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", net.JoinHostPort(box.bindAddress(), strconv.Itoa(int(port))))
	if err != nil {
		return portForwardError(sandboxID, port)
	}
	defer func() { _ = conn.Close() }()
	toPod := make(chan struct{})
	go func() {
		defer close(toPod)
		_, _ = io.Copy(conn, stream)
		// Half-closed, so that a server which reads to the end still answers.
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, conn)
	return err
}

// portForwardError reads as containerd's, with the addresses seen inside a
// pod's own network namespace.
func portForwardError(sandboxID string, port int32) error {
	return fmt.Errorf("failed to execute portforward in network namespace %q: failed to connect to localhost:%d inside namespace %q, "+
		"IPv4: dial tcp4 127.0.0.1:%d: connect: connection refused IPv6 dial tcp6: [::1]:%d: connect: connection refused",
		"/var/run/netns/cni-"+sandboxID[:8], port, sandboxID, port, port)
}
