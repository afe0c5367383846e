package walk

// Place is how far a segment has been walked: every page before it has been visited.
type Place struct {
	Segment, Total int
	After          []byte // the key that the next page starts after; nil at the beginning, and when the segment is Done
	Done           bool
	Pages, Items   int64 // before this place, since the beginning of the segment
}

// All are the beginnings of all segments of a table, in their order.
func All(total int) []Place {
	places := make([]Place, total)
	for segment := range places {
		places[segment] = Place{Segment: segment, Total: total}
	}
	return places
}

// next is the place after a page that was read at p.
func (p Place) next(e Extent) Place {
	// Only the missing key is the end: a page without items says nothing.
	p.After, p.Done = e.Last, e.Last == nil
	p.Pages++
	p.Items += int64(e.Items)
	return p
}
