// Package cluster starts and stops a whole cluster on loopback.
package cluster

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Options of `testbed up`.
type Options struct {
	layout       layout
	node         string
	gpus         int
	cores        int
	memory       resource.Quantity
	images       map[string]string
	tokens       []extraToken
	detach       bool
	dieWithStdin bool
	timeout      time.Duration
}

const upUsage = `usage: testbed up --dir DIR [options]

Starts a cluster and prints one line of JSON when it is ready. It stays in the
foreground and takes everything with it when it ends, unless --detach is given.

`

// ParseOptions reads the arguments of `testbed up`.
func ParseOptions(args []string, stderr io.Writer) (Options, error) {
	o := Options{images: map[string]string{}}
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = io.WriteString(stderr, upUsage)
		flags.PrintDefaults()
	}
	dir := flags.String("dir", "", "directory of the cluster (required); what an earlier cluster left in it is removed")
	memory := flags.String("memory", "512Gi", "memory that the node claims to have")
	flags.StringVar(&o.node, "node", "gpu-node-0", "name of the node")
	flags.IntVar(&o.gpus, "gpus", 8, "nvidia.com/gpu of the node")
	flags.IntVar(&o.cores, "cpus", 64, "CPUs that the node claims to have")
	flags.BoolVar(&o.detach, "detach", false, "start in the background; stop with testbed down")
	flags.BoolVar(&o.dieWithStdin, "die-with-stdin", false, "end when standard input ends")
	flags.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long to wait for the cluster to become ready")
	flags.Func("image", "NAME=PATH: run PATH for containers of image NAME (repeatable)", o.addImage)
	flags.Func("extra-token", "TOKEN=USER[:GROUP,...]: a further user, without rights (repeatable)", func(text string) error {
		token, err := parseExtraToken(text)
		o.tokens = append(o.tokens, token)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *dir == "" || flags.NArg() > 0 {
		flags.Usage()
		return o, fmt.Errorf("--dir is required, and nothing but options is accepted")
	}
	absolute, err := filepath.Abs(*dir)
	if err != nil {
		return o, err
	}
	o.layout = layout(absolute)
	if o.memory, err = resource.ParseQuantity(*memory); err != nil {
		return o, fmt.Errorf("--memory %s: %w", *memory, err)
	}
	return o, nil
}

// addImage checks the path now, not when the first pod fails.
func (o *Options) addImage(text string) error {
	name, path, found := strings.Cut(text, "=")
	if !found || name == "" {
		return fmt.Errorf("want NAME=PATH")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err != nil {
		return err
	} else if info.IsDir() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is not an executable", path)
	}
	o.images[name] = path
	return nil
}
