package cli

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Progress shows long work: bars on a terminal, log lines elsewhere. Log lines and bars share standard error without
// spoiling each other.
type Progress struct {
	bars   *mpb.Progress // nil when nobody watches
	byName map[string]*mpb.Bar
	logger *slog.Logger
	logged time.Time
}

// logEvery is the pace of progress lines where there are no bars.
const logEvery = 10 * time.Second

// NewProgress returns the progress of one command; logger makes its logger for a writer.
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

// Bar is the state of one bar.
type Bar struct {
	Name        string
	Done, Total int64
}

// Show shows the bars as they are now. It belongs to one goroutine.
func (p *Progress) Show(bars ...Bar) {
	if p.bars == nil {
		if time.Since(p.logged) < logEvery {
			return
		}
		p.logged = time.Now()
		args := make([]any, 0, 2*len(bars))
		for _, b := range bars {
			args = append(args, b.Name, fmt.Sprintf("%d of %d", b.Done, b.Total))
		}
		p.logger.Info("progress", args...)
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

// During runs work and takes the bars down after it.
func (p *Progress) During(work func() error) error {
	err := work()
	if p.bars != nil {
		for _, bar := range p.byName {
			bar.Abort(false)
		}
		p.bars.Wait()
	}
	return err
}
