package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// display shows what goes on while it goes on. It belongs to one goroutine.
type display interface {
	// say shows a line that stays.
	say(format string, args ...any)
	// show shows how far things are now; each call names the same gauges.
	show(gauges ...gauge)
	// end takes the gauges down; what comes next may bring others.
	end()
}

// gauge is something that fills up.
type gauge struct {
	name        string
	done, total int64
}

// newDisplay returns bars for a terminal, lines for everything else.
func newDisplay(w io.Writer) display {
	l := &lines{out: w, began: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &bars{lines: l}
	}
	return l
}

// lines are for logs and pipes.
type lines struct {
	out   io.Writer
	began time.Time
	shown time.Time
}

// showEvery is the pace at which gauges become lines.
const showEvery = 3 * time.Second

func (l *lines) say(format string, args ...any) {
	// There is nobody to tell when this cannot be written.
	_, _ = fmt.Fprintf(l.out, "%5.1fs  %s\n", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

func (l *lines) show(gauges ...gauge) {
	if time.Since(l.shown) < showEvery {
		return
	}
	l.shown = time.Now()
	parts := make([]string, len(gauges))
	for i, g := range gauges {
		parts[i] = fmt.Sprintf("%s %s of %s", g.name, count(g.done), count(g.total))
	}
	l.say("  %s", strings.Join(parts, ", "))
}

func (l *lines) end() { l.shown = time.Time{} }

// bars are for a person at a terminal.
type bars struct {
	*lines
	progress *mpb.Progress // nil while there are no bars
	bars     map[string]*mpb.Bar
}

// say takes the bars down, so that no line is lost among them; the next show puts them up again below it.
func (b *bars) say(format string, args ...any) {
	b.end()
	b.lines.say(format, args...)
}

func (b *bars) show(gauges ...gauge) {
	if b.progress == nil {
		b.progress = mpb.New(mpb.WithOutput(b.out), mpb.WithWidth(64))
		b.bars = map[string]*mpb.Bar{}
	}
	for _, g := range gauges {
		bar := b.bars[g.name]
		if bar == nil {
			bar = b.progress.AddBar(g.total,
				mpb.PrependDecorators(decor.Name(g.name, decor.WCSyncSpaceR), decor.CountersNoUnit("%d / %d", decor.WCSyncSpace)),
				mpb.AppendDecorators(decor.Percentage(decor.WCSyncSpace)))
			b.bars[g.name] = bar
		}
		bar.SetTotal(max(g.total, g.done), false)
		bar.SetCurrent(g.done)
	}
}

func (b *bars) end() {
	if b.progress == nil {
		return
	}
	for _, bar := range b.bars {
		bar.Abort(true)
	}
	b.progress.Wait()
	b.progress = nil
}

// count writes a number with thousands apart.
func count[N int | int64](n N) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
