package migration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a file. Line and Column count from 1; both are 0 if the file could not be read.
type Problem struct {
	File         string
	Line, Column int
	Field        string // dotted, such as snapshot.segments; empty for the file as a whole
	Message      string
}

func (p Problem) String() string {
	where := p.File + ": "
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	}
	if p.Field != "" {
		where += p.Field + ": "
	}
	return where + p.Message
}

// Problems is everything that is wrong with a file, in the order of the lines.
type Problems struct{ List []Problem } //nolint:errname // the problems of a file; so reads where it is used

func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

func (p *Problems) sort() {
	slices.SortStableFunc(p.List, func(a, b Problem) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
}
