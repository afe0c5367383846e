package cli

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/crossfadedb/crossfade/internal/operate"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Progress shows long work: bars on a terminal, log lines elsewhere. Log lines and bars share standard error without
// spoiling each other.
type Progress struct {
	bars   *mpb.Progress // nil when nobody watches
	byName map[string]*mpb.Bar
	logger *slog.Logger
	shown  []Bar
	logged time.Time
}

// The pace of the bars on a terminal, and of the log lines elsewhere.
const (
	barsEvery  = time.Second
	linesEvery = 30 * time.Second
)

// NewProgress returns the progress of one command; logger makes its logger for a writer. Close it.
func NewProgress(streams Streams, logger func(io.Writer) *slog.Logger) *Progress {
	p := &Progress{byName: map[string]*mpb.Bar{}}
	if streams.Terminal() {
		p.bars = mpb.New(mpb.WithOutput(streams.Stderr), mpb.WithWidth(60))
		p.logger = logger(p.bars)
	} else {
		p.logger = logger(streams.Stderr)
	}
	return p
}

// Logger writes above the bars.
func (p *Progress) Logger() *slog.Logger { return p.logger }

// Every is how often it is worth while to call Show.
func (p *Progress) Every() time.Duration {
	if p.bars == nil {
		return linesEvery
	}
	return barsEvery
}

// Bar is the state of one bar.
type Bar struct {
	Name        string
	Done, Total int64
}

// Show shows the bars as they are now. It belongs to one goroutine.
func (p *Progress) Show(bars ...Bar) {
	if p.bars == nil {
		p.line(bars)
		return
	}
	for _, b := range bars {
		bar := p.byName[b.Name]
		if bar == nil {
			bar = p.bars.AddBar(b.Total,
				mpb.PrependDecorators(decor.Name(b.Name, decor.WCSyncSpaceR), decor.CountersNoUnit("%d / %d", decor.WCSyncSpace)),
				mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace)))
			p.byName[b.Name] = bar
		}
		bar.SetTotal(max(b.Total, b.Done), false)
		bar.SetCurrent(b.Done)
	}
}

// line logs what has changed, and not often: a quiet migration goes on for weeks.
func (p *Progress) line(bars []Bar) {
	if time.Since(p.logged) < linesEvery || slices.Equal(bars, p.shown) {
		return
	}
	p.logged, p.shown = time.Now(), slices.Clone(bars)
	args := make([]any, 0, 2*len(bars))
	for _, b := range bars {
		args = append(args, b.Name, fmt.Sprintf("%d of %d", b.Done, b.Total))
	}
	p.logger.Info("progress", args...)
}

// Close takes the bars down.
func (p *Progress) Close() {
	if p.bars == nil {
		return
	}
	for _, bar := range p.byName {
		bar.Abort(false)
	}
	p.bars.Wait()
}

// Watched runs a worker, and shows the migration meanwhile.
func Watched(streams Streams, logging Logging, work func(*slog.Logger, *operate.Show) error) error {
	p := NewProgress(streams, logging.Logger)
	defer p.Close()
	return work(p.logger, &operate.Show{Every: p.Every(), Status: func(s *operate.Status) {
		p.Show(
			Bar{Name: "segments", Done: s.Segments.Done, Total: s.Segments.Total},
			Bar{Name: "rows published", Done: s.Rows.Done, Total: s.Rows.Total},
			Bar{Name: "records applied", Done: s.Counts.Total(), Total: s.Counts.Total() + s.SnapshotLag + s.LiveLag},
		)
	}})
}
