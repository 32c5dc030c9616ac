package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"vllm-rollback/testbed/node"
)

// Up runs a cluster until a signal, the end of standard input, or the death of
// a component.
func Up(o Options) error {
	if d, err := loadDescription(o.layout); err == nil && d.running() {
		return fmt.Errorf("a cluster already runs in %s (pid %d): stop it with testbed down --dir %s", o.layout, d.UpPID, o.layout)
	}
	if o.detach {
		return detach(o.layout)
	}
	// Children die with the thread that started them. This one lasts as long
	// as the process only if it is locked.
	runtime.LockOSThread()
	ctx, stop := stopContext(o)
	defer stop(nil)

	if err := o.layout.prepare(); err != nil {
		return err
	}
	s := &supervisor{layout: o.layout, clusterID: randomHex(8), exits: make(chan exit, 8), pids: map[string]int{}}
	root, link, err := shortPath(o.layout.kubeletRoot(), s.clusterID)
	if err != nil {
		return err
	}
	reaper, err := startReaper(s.clusterID, link)
	if err != nil {
		return err
	}
	defer func() { _ = reaper.Close() }()
	defer killCluster(s.clusterID)

	description, err := s.start(ctx, o, root)
	if errors.Is(err, errStopped) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := description.save(o.layout)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(o.layout.description()) }()
	fmt.Println(string(text))

	select {
	case <-ctx.Done():
		return nil
	case ended := <-s.exits:
		return s.exitError(ended)
	}
}

// start brings the components up in the order in which they need each other.
func (s *supervisor) start(ctx context.Context, o Options, kubeletRoot string) (Description, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	place, err := takeSlot()
	if err != nil {
		return Description{}, err
	}
	token, err := writeFiles(o, place, s.clusterID, kubeletRoot)
	if err != nil {
		return Description{}, err
	}
	if err := serveEgress(place); err != nil {
		return Description{}, err
	}
	for _, args := range [][]string{etcdArgs(o.layout, place), apiserverArgs(o.layout, place)} {
		if err := s.startComponent(args, syscall.SysProcAttr{}); err != nil {
			return Description{}, err
		}
	}
	client, err := newClient(o.layout)
	if err != nil {
		return Description{}, err
	}
	if err := s.await(ctx, "kube-apiserver", apiserverReady(client)); err != nil {
		return Description{}, err
	}
	if err := s.startComponent([]string{"kubelet", o.layout.nodeConfig()}, kubeletAttributes()); err != nil {
		return Description{}, err
	}
	for _, args := range [][]string{controllerManagerArgs(o.layout), schedulerArgs(o.layout)} {
		if err := s.startComponent(args, syscall.SysProcAttr{}); err != nil {
			return Description{}, err
		}
	}
	if err := s.await(ctx, "the node", nodeReady(client, o.node, o.gpus)); err != nil {
		return Description{}, err
	}
	if err := s.await(ctx, "service account default/default", defaultAccountExists(client)); err != nil {
		return Description{}, err
	}
	return s.describe(o, place, token)
}

func (s *supervisor) describe(o Options, place *slot, token string) (Description, error) {
	started, err := startTime(os.Getpid())
	return Description{
		Dir:           string(o.layout),
		Kubeconfig:    o.layout.kubeconfig(),
		Server:        loopback("https", place.ports.apiserver),
		CAFile:        o.layout.caCert(),
		Token:         token,
		Node:          o.node,
		PodCIDROctets: fmt.Sprintf("244.%d", place.number),
		PodCIDR:       place.shownPrefix() + "0/24",
		PodBindCIDR:   place.podPrefix() + "0/24",
		ClusterID:     s.clusterID,
		UpPID:         os.Getpid(),
		UpStarted:     started,
		PIDs:          s.pids,
	}, err
}

// writeFiles writes all that the components read, and returns the administrator's token.
func writeFiles(o Options, place *slot, clusterID, kubeletRoot string) (string, error) {
	token := randomHex(16)
	nodeConfig := node.Config{
		Name:        o.node,
		Kubeconfig:  o.layout.kubeconfig(),
		RootDir:     kubeletRoot,
		LogDir:      o.layout.podLogs(),
		RuntimeDir:  o.layout.containerState(),
		Port:        place.ports.kubelet,
		CertFile:    o.layout.servingCert(),
		KeyFile:     o.layout.servingKey(),
		PodPrefix:   place.podPrefix(),
		ShownPrefix: place.shownPrefix(),
		ClusterID:   clusterID,
		GPUs:        o.gpus,
		Cores:       o.cores,
		MemoryBytes: uint64(o.memory.Value()),
		Images:      o.images,
	}
	return token, errors.Join(
		writePKI(o.layout),
		writeTokens(o.layout, token, o.tokens),
		writeKubeconfig(o.layout, loopback("https", place.ports.apiserver), token),
		writeEgressConfig(o.layout, place),
		nodeConfig.Save(o.layout.nodeConfig()),
	)
}

// stopContext ends with a signal, or with standard input if that was asked for.
func stopContext(o Options) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errStopped)
	}()
	if o.dieWithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel(errStopped)
		}()
	}
	return ctx, cancel
}
