package cluster

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Down stops the cluster of a directory. One that does not run is no error.
func Down(args []string) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	dir := flags.String("dir", "", "directory of the cluster (required)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return fmt.Errorf("--dir is required")
	}
	absolute, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	l := layout(absolute)
	d, err := loadDescription(l)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "no cluster runs in %s\n", l)
		return nil
	}
	if err != nil {
		return err
	}
	stop(d)
	// What a killed cluster could not clean up itself.
	killCluster(d.ClusterID)
	if err := os.Remove(l.description()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func stop(d Description) {
	for _, attempt := range []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGTERM, 15 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if !d.running() {
			return
		}
		_ = syscall.Kill(d.UpPID, attempt.signal)
		for deadline := time.Now().Add(attempt.limit); d.running() && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
	}
}
