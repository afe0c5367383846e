package dynamodb

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// place is where a row stands in its table: by the hash of the partition key, then by the key itself.
type place struct {
	hash      uint64
	partition string // the partition key's bytes
	sort      string // bytes whose order is the sort key's
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.hash, q.hash), strings.Compare(p.partition, q.partition), strings.Compare(p.sort, q.sort))
}

// row is one stored item. It never changes: a write puts another row in its place.
type row struct {
	place
	key  []byte // the key attributes as JSON
	raw  []byte // the item as JSON
	size int    // by DynamoDB's rules
	base place  // of an entry of an index: where its item stands in the table
}

// chunkRows is how many rows a chunk holds at most; a full one becomes two.
const chunkRows = 256

// rows is a table's content in order. It is a list of short sorted chunks, so that an insert moves a few
// hundred pointers whatever the table's size.
type rows struct {
	chunks [][]*row
	count  int
	bytes  int
}

// seek finds the first row at or after p.
func (r *rows) seek(p place) (chunk, at int) {
	chunk = sort.Search(len(r.chunks), func(i int) bool {
		c := r.chunks[i]
		return c[len(c)-1].compare(p) >= 0
	})
	if chunk == len(r.chunks) {
		return chunk, 0
	}
	c := r.chunks[chunk]
	return chunk, sort.Search(len(c), func(i int) bool { return c[i].compare(p) >= 0 })
}

func (r *rows) get(p place) *row {
	chunk, at := r.seek(p)
	if chunk < len(r.chunks) && r.chunks[chunk][at].place == p {
		return r.chunks[chunk][at]
	}
	return nil
}

// put stores n in the place of old, the row that get returned for the same place, which may be nil.
func (r *rows) put(n, old *row) {
	chunk, at := r.seek(n.place)
	r.bytes += n.size
	if old != nil {
		r.chunks[chunk][at] = n
		r.bytes -= old.size
		return
	}
	r.count++
	switch {
	case len(r.chunks) == 0:
		r.chunks = append(r.chunks, []*row{n})
		return
	case chunk == len(r.chunks): // behind the last row
		chunk--
		at = len(r.chunks[chunk])
	}
	c := slices.Insert(r.chunks[chunk], at, n)
	r.chunks[chunk] = c
	if len(c) > chunkRows {
		half := len(c) / 2
		r.chunks[chunk] = c[:half:half]
		r.chunks = slices.Insert(r.chunks, chunk+1, slices.Clone(c[half:]))
	}
}

// remove takes old, a stored row, out.
func (r *rows) remove(old *row) {
	chunk, at := r.seek(old.place)
	r.count--
	r.bytes -= old.size
	c := slices.Delete(r.chunks[chunk], at, at+1)
	r.chunks[chunk] = c
	if len(c) == 0 {
		r.chunks = slices.Delete(r.chunks, chunk, chunk+1)
	}
}

// ascend visits the rows at or after p in order until visit returns false.
func (r *rows) ascend(p place, visit func(*row) bool) {
	chunk, at := r.seek(p)
	for ; chunk < len(r.chunks); chunk++ {
		for _, row := range r.chunks[chunk][at:] {
			if !visit(row) {
				return
			}
		}
		at = 0
	}
}

// descend visits the rows before p, the last first, until visit returns false.
func (r *rows) descend(p place, visit func(*row) bool) {
	chunk, at := r.seek(p)
	for {
		for at--; at >= 0; at-- {
			if !visit(r.chunks[chunk][at]) {
				return
			}
		}
		if chunk == 0 {
			return
		}
		chunk--
		at = len(r.chunks[chunk])
	}
}

// segmentOf is which of total equal parts of the hash space hash lies in.
func segmentOf(hash uint64, total int) int {
	part, _ := bits.Mul64(hash, uint64(total)) //nolint:gosec // total is 1 to 1,000,000
	return int(part)                           //nolint:gosec // less than total
}

// segmentStart is the smallest hash in a segment.
func segmentStart(segment, total int) uint64 {
	start, rest := bits.Div64(uint64(segment), 0, uint64(total)) //nolint:gosec // segment is 0 to total-1
	if rest > 0 {
		start++
	}
	return start
}
