package cri

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxLogLine is where containerd splits a line into partial entries.
const maxLogLine = 16 * 1024

// logFile is a container's log in the format that `kubectl logs` parses:
// `<RFC3339Nano time> stdout|stderr F|P <text>`.
type logFile struct {
	path string

	mu   sync.Mutex
	file *os.File
}

func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return l, l.reopen()
}

func (l *logFile) reopen() error {
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file = file
	return nil
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Close()
}

// copy reads one stream of the process to its end.
func (l *logFile) copy(stream string, from io.Reader) {
	reader := bufio.NewReaderSize(from, maxLogLine)
	for {
		line, err := reader.ReadSlice('\n')
		tag := "F"
		if errors.Is(err, bufio.ErrBufferFull) {
			tag = "P"
		}
		if len(line) > 0 {
			l.write(stream, tag, line)
		}
		if err != nil && tag == "F" {
			return
		}
	}
}

func (l *logFile) write(stream, tag string, line []byte) {
	if line[len(line)-1] == '\n' {
		line = line[:len(line)-1]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.file, "%s %s %s %s\n", time.Now().Format(time.RFC3339Nano), stream, tag, line)
}
