package dynamodb

import (
	"math"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// maxPageBytes is after how much a page of Scan or Query ends, before its filter.
const maxPageBytes = 1 << 20

// paged is what Scan and Query have in common.
type paged struct {
	TableName                 string
	Limit                     *int
	ExclusiveStartKey         expression.Item
	FilterExpression          *string
	ProjectionExpression      *string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]expression.Value
	Select                    string
	ConsistentRead            bool
	ReturnConsumedCapacity    string
	IndexName                 string
}

func (r *paged) target() (string, expression.Item) { return r.TableName, nil }

type scan struct {
	paged
	Segment, TotalSegments *int
}

type query struct {
	paged
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

// page is an answer of Scan or Query.
type page struct {
	Count, ScannedCount int
	LastEvaluatedKey    jsontext.Value    `json:",omitzero"`
	ConsumedCapacity    *consumedCapacity `json:",omitzero"`

	items   [][]byte
	counted bool // only the number was asked for
}

func (p *page) list() (string, [][]byte) {
	if p.counted {
		return "", nil
	}
	return "Items", p.items
}

// reading is a Scan or Query under way.
type reading struct {
	table      *table
	filter     *expression.Condition
	projection expression.Projection
	limit      int

	rows    []*row
	scanned int
	bytes   int
	last    *row // where the page ended before the range did
	prev    *row
}

// take adds a row to the page and reports whether there is room for more.
func (r *reading) take(row *row) bool {
	if r.scanned == r.limit || r.bytes >= maxPageBytes {
		r.last = r.prev
		return false
	}
	r.prev = row
	r.scanned++
	r.bytes += row.size
	if r.filter == nil || r.filter.Holds(expression.MustParseItem(row.raw)) {
		r.rows = append(r.rows, row)
	}
	return true
}

// begin checks the request and parses its expressions.
func (r *paged) begin(c *call, keyCondition *string) (*reading, []expression.Clause, error) {
	t, err := c.server.table(r.TableName)
	if err != nil {
		return nil, nil, err
	}
	if r.IndexName != "" {
		return nil, nil, validation("The table does not have the specified index: %s", r.IndexName)
	}
	if !slices.Contains([]string{"", "ALL_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"}, r.Select) {
		return nil, nil, validation(wrongValues+"Select type %s is not supported for tables", r.Select)
	}
	if r.Select == "COUNT" && r.ProjectionExpression != nil {
		return nil, nil, validation("Cannot specify the ProjectionExpression when choosing to get only the Count")
	}
	reading := &reading{table: t, limit: math.MaxInt}
	if r.Limit != nil {
		if reading.limit = *r.Limit; reading.limit < 1 {
			return nil, nil, validation("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *r.Limit)
		}
	}
	scope, err := newScope(r.ExpressionAttributeNames, r.ExpressionAttributeValues, keyCondition, r.FilterExpression, r.ProjectionExpression)
	if err != nil {
		return nil, nil, err
	}
	var clauses []expression.Clause
	if keyCondition != nil {
		if clauses, err = scope.KeyCondition(*keyCondition); err != nil {
			return nil, nil, err
		}
	}
	if r.FilterExpression != nil {
		if reading.filter, err = scope.Condition("FilterExpression", *r.FilterExpression); err != nil {
			return nil, nil, err
		}
	}
	if r.ProjectionExpression != nil {
		if reading.projection, err = scope.Projection("ProjectionExpression", *r.ProjectionExpression); err != nil {
			return nil, nil, err
		}
	}
	return reading, clauses, scope.Unused()
}

// answer makes the page of what was read.
func (r *paged) answer(reading *reading) *page {
	p := &page{
		Count: len(reading.rows), ScannedCount: reading.scanned, counted: r.Select == "COUNT",
		ConsumedCapacity: consumed(r.ReturnConsumedCapacity, reading.table, readUnits(reading.bytes, r.ConsistentRead)),
	}
	// A page that is full is followed by another one, which may be empty.
	if reading.last == nil && reading.scanned == reading.limit {
		reading.last = reading.prev
	}
	if reading.last != nil {
		p.LastEvaluatedKey = reading.last.key
	}
	if p.counted {
		return p
	}
	p.items = make([][]byte, len(reading.rows))
	for i, row := range reading.rows {
		p.items[i] = projected(row, reading.projection)
	}
	return p
}

func (c *call) scan(in *scan) (*page, error) {
	reading, _, err := in.begin(c, nil)
	if err != nil {
		return nil, err
	}
	segment, total, err := in.segment()
	if err != nil {
		return nil, err
	}
	t := reading.table
	from := place{hash: segmentStart(segment, total)}
	if in.ExclusiveStartKey != nil {
		after, err := t.schema.placeOfKey(in.ExclusiveStartKey)
		if err != nil {
			return nil, validation("The provided starting key is invalid: %s", asError(err).Message)
		}
		if segmentOf(after.hash, total) != segment {
			return nil, validation("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d", total, segment)
		}
		from = after.following()
	}
	t.mu.RLock()
	t.rows.ascend(from, func(r *row) bool {
		return segmentOf(r.hash, total) == segment && reading.take(r)
	})
	t.mu.RUnlock()
	return in.answer(reading), nil
}

// following is the place right behind p: nothing lies between.
func (p place) following() place {
	p.sort += "\x00"
	return p
}

func (r *scan) segment() (segment, total int, err error) {
	switch {
	case r.Segment == nil && r.TotalSegments == nil:
		return 0, 1, nil
	case r.TotalSegments == nil:
		return 0, 0, validation("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case r.Segment == nil:
		return 0, 0, validation("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	}
	segment, total = *r.Segment, *r.TotalSegments
	if total < 1 || total > 1_000_000 {
		return 0, 0, validation("1 validation error detected: Value '%d' at 'totalSegments' failed to satisfy constraint: Member must have value between 1 and 1000000", total)
	}
	if segment < 0 || segment >= total {
		return 0, 0, validation("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", segment, total)
	}
	return segment, total, nil
}
