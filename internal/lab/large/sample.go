package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const sampleEvery = time.Second

// sample is what a process needs at a moment, as the kernel counts it.
type sample struct {
	worker      string
	at          time.Duration // since the workers were started
	resident    int64         // bytes
	peak        int64         // bytes: the most it ever had, so that no peak falls between two samples
	threads     int
	descriptors int
	sockets     int
}

// observe reads /proc of a process.
func observe(pid int) (s sample, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return s, err
	}
	if s, err = parseStatus(status); err != nil {
		return s, err
	}
	entries, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return s, err
	}
	s.descriptors = len(entries)
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, "fd", e.Name()))
		if err == nil && strings.HasPrefix(to, "socket:") { // one that is closed meanwhile is no error
			s.sockets++
		}
	}
	return s, nil
}

// parseStatus reads /proc/<pid>/status.
func parseStatus(text []byte) (s sample, err error) {
	values := map[string]int64{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		switch name {
		case "VmRSS", "VmHWM", "Threads":
			number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
			if values[name], err = strconv.ParseInt(number, 10, 64); err != nil {
				return s, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if len(values) != 3 {
		return s, fmt.Errorf("the process has ended: %w", fs.ErrNotExist) // a zombie has no memory
	}
	return sample{resident: values["VmRSS"] << 10, peak: values["VmHWM"] << 10, threads: int(values["Threads"])}, nil
}

// watch samples the processes, by their names, every second until ctx ends. One that has ended has no more samples.
func watch(ctx context.Context, processes map[string]int) ([]sample, error) {
	var samples []sample
	names := slices.Sorted(maps.Keys(processes))
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return samples, nil
		case <-tick.C:
		}
		for _, name := range names {
			s, err := observe(processes[name])
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return samples, fmt.Errorf("sample %s: %w", name, err)
			}
			s.worker, s.at = name, time.Since(began)
			samples = append(samples, s)
		}
	}
}

// writeSamples writes one line a sample.
func writeSamples(w io.Writer, samples []sample) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"worker", "seconds", "resident_mb", "peak_mb", "threads", "descriptors", "sockets"}}
	for _, s := range samples {
		rows = append(rows, []string{
			s.worker, fmt.Sprintf("%.1f", s.at.Seconds()), megabytes(s.resident), megabytes(s.peak),
			strconv.Itoa(s.threads), strconv.Itoa(s.descriptors), strconv.Itoa(s.sockets),
		})
	}
	return out.WriteAll(rows)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }

// peaks are the most that each worker needed of each thing.
func peaks(samples []sample) []sample {
	most := map[string]sample{}
	for _, s := range samples {
		m := most[s.worker]
		most[s.worker] = sample{
			worker: s.worker, at: max(m.at, s.at), resident: max(m.resident, s.resident), peak: max(m.peak, s.peak),
			threads: max(m.threads, s.threads), descriptors: max(m.descriptors, s.descriptors), sockets: max(m.sockets, s.sockets),
		}
	}
	return slices.SortedFunc(maps.Values(most), func(a, b sample) int { return strings.Compare(a.worker, b.worker) })
}
