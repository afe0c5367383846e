package main

import (
	"runtime"
	"syscall"
	"time"
)

// cost is what a run took of this process, where endpoint and broker are not.
type cost struct {
	time   time.Duration
	cpu    time.Duration
	allocs uint64
	bytes  uint64 // allocated
}

// meter begins to measure; what it returns says what has been spent since.
func meter() func() cost {
	before := spent()
	began := time.Now()
	return func() cost {
		took := time.Since(began)
		after := spent()
		return cost{time: took, cpu: after.cpu - before.cpu, allocs: after.allocs - before.allocs, bytes: after.bytes - before.bytes}
	}
}

// spent is what this process has spent so far.
func spent() cost {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{cpu: processor(), allocs: m.Mallocs, bytes: m.TotalAlloc}
}

// processor is the processor time of this process so far.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sample is a run's cost by row.
type sample struct {
	Rate   float64 `json:"rows_per_second"`
	CPU    float64 `json:"cpu_us_per_row"`
	Allocs float64 `json:"allocs_per_row"`
	Bytes  float64 `json:"bytes_per_row"`
	Host   float64 `json:"host_cpu_us_per_row"` // of endpoint and broker
}

func (c cost) by(rows int) sample {
	n := float64(rows)
	return sample{
		Rate: n / c.time.Seconds(), CPU: float64(c.cpu.Microseconds()) / n,
		Allocs: float64(c.allocs) / n, Bytes: float64(c.bytes) / n,
	}
}
