package cluster

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// reaperScript waits for the end of its input, which is the end of `testbed
// up` however it ends, and then kills what is left. Pdeathsig does most of
// that at once; this catches what a pod's process started in turn. It is a
// shell because a second copy of this binary would cost 50 MB.
const reaperScript = `read -r _
for round in 1 2 3 4 5; do
  pids=$(grep -lzxF "$0" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3)
  [ -n "$pids" ] || break
  kill -9 $pids 2>/dev/null
done
[ -z "$1" ] || rm -f -- "$1"
`

// startReaper returns the pipe to hold open. The reaper has its own session,
// so that a signal to our process group does not stop it.
func startReaper(clusterID, link string) (io.Closer, error) {
	// #nosec G204 -- a constant script
	cmd := exec.Command("/bin/sh", "-c", reaperScript, clusterVariable+"="+clusterID, link)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	held, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = cmd.Wait() }()
	return held, nil
}

// killCluster kills every process that carries the cluster's identity, until
// none is left.
func killCluster(clusterID string) {
	mark := []byte(clusterVariable + "=" + clusterID)
	for range 50 {
		killed := false
		environs, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range environs {
			environ, err := os.ReadFile(path)
			if err != nil || !hasVariable(environ, mark) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
				killed = true
			}
		}
		if !killed {
			return
		}
	}
}

func hasVariable(environ, mark []byte) bool {
	for variable := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(variable, mark) {
			return true
		}
	}
	return false
}
