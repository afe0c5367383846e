// Plot draws what internal/lab/large has sampled: for every file of samples the memory of each worker against time, and
// the most that each kind of worker needed against the size of the table.
//
//	go run . ../../docs/memory
package main

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	width, height = 18 * vg.Centimeter, 9 * vg.Centimeter
	leastTop      = 300 // megabytes: the axis ends at the promise, or above what was measured
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: plot <folder of samples>")
		os.Exit(2)
	}
	if err := draw(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func draw(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.csv"))
	if err != nil {
		return err
	}
	peaks := map[string]plotter.XYs{} // by worker, against items; of migrations only
	for _, file := range files {
		kind, items, err := named(file)
		if err != nil {
			return err
		}
		samples, err := read(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		title := fmt.Sprintf("Resident memory, %s of %d rows", strings.ReplaceAll(kind, "-", " of the topic "), int(items))
		if err := save(strings.TrimSuffix(file, ".csv")+".svg", title, "seconds", samples.resident); err != nil {
			return err
		}
		if kind == "migrate" {
			for worker, peak := range samples.peak {
				peaks[worker] = append(peaks[worker], plotter.XY{X: items / 1e6, Y: peak})
			}
		}
	}
	return save(filepath.Join(dir, "size.svg"), "Most resident memory of each worker", "million items of 1 KB", peaks)
}

// named takes the name of a file of samples apart: what was measured, and the number of items.
func named(file string) (kind string, items float64, err error) {
	name := strings.TrimSuffix(filepath.Base(file), ".csv")
	at := strings.LastIndexByte(name, '-')
	if at < 0 {
		return "", 0, fmt.Errorf("%s: the name does not end with a number of items", file)
	}
	items, err = strconv.ParseFloat(name[at+1:], 64)
	return name[:at], items, err
}

// samples are those of one file, by worker.
type samples struct {
	resident map[string]plotter.XYs // megabytes against seconds
	peak     map[string]float64
}

func read(file string) (s samples, err error) {
	f, err := os.Open(file)
	if err != nil {
		return s, err
	}
	defer f.Close() //nolint:errcheck // it is only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return s, err
	}
	s = samples{map[string]plotter.XYs{}, map[string]float64{}}
	for _, row := range rows[min(1, len(rows)):] { // behind the names of the columns
		seconds, err1 := strconv.ParseFloat(row[1], 64)
		resident, err2 := strconv.ParseFloat(row[2], 64)
		peak, err3 := strconv.ParseFloat(row[3], 64)
		if err := cmp.Or(err1, err2, err3); err != nil {
			return s, err
		}
		s.resident[row[0]] = append(s.resident[row[0]], plotter.XY{X: seconds, Y: resident})
		s.peak[row[0]] = max(s.peak[row[0]], peak)
	}
	return s, nil
}

// save draws a line for each worker.
func save(file, title, x string, lines map[string]plotter.XYs) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, "MB"
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	top := float64(leastTop)
	names := make([]string, 0, len(lines))
	for name := range lines {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		points := lines[name]
		slices.SortFunc(points, func(a, b plotter.XY) int { return cmp.Compare(a.X, b.X) })
		for _, point := range points {
			top = max(top, point.Y*1.1)
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, dots.Color, dots.Radius = plotutil.Color(i), plotutil.Color(i), vg.Points(1)
		p.Add(line, dots)
		p.Legend.Add(name, line)
	}
	p.X.Min, p.Y.Min, p.Y.Max = 0, 0, top
	return p.Save(width, height, file)
}
