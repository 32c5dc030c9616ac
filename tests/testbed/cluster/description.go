package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

// Description is DIR/cluster.json and the line on standard output.
type Description struct {
	Dir           string         `json:"dir"`
	Kubeconfig    string         `json:"kubeconfig"`
	Server        string         `json:"server"`
	CAFile        string         `json:"ca_file"`
	Token         string         `json:"token"`
	Node          string         `json:"node"`
	PodCIDROctets string         `json:"pod_cidr_octets"` // "244.7": pods are 10.244.7.x to the API and listen on 127.244.7.x
	PodCIDR       string         `json:"pod_cidr"`
	PodBindCIDR   string         `json:"pod_bind_cidr"`
	ClusterID     string         `json:"cluster_id"`
	UpPID         int            `json:"up_pid"`
	UpStarted     uint64         `json:"up_started"` // start time in clock ticks, which with the number identifies a process
	PIDs          map[string]int `json:"pids"`
}

func (d Description) save(l layout) ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	// Renamed into place: who sees the file sees a cluster that is ready.
	temporary := l.description() + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return nil, err
	}
	return text, os.Rename(temporary, l.description())
}

func loadDescription(l layout) (Description, error) {
	var d Description
	text, err := os.ReadFile(l.description())
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(text, &d)
}

// running says whether the process that wrote the description still lives, and
// is not another one that got its number.
func (d Description) running() bool {
	started, err := startTime(d.UpPID)
	return err == nil && started == d.UpStarted
}

// startTime is field 22 of /proc/PID/stat. The name in field 2 may contain
// spaces and parentheses, so fields are counted from the last ')'.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("unexpected format of /proc/%d/stat", pid)
	}
	if string(fields[0]) == "Z" {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}
