package dynamodb

import (
	"math"
	"strings"

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
	index      *index // nil: the table itself
	filter     *expression.Condition
	projection expression.Projection
	limit      int

	rows    []*row
	scanned int
	bytes   int
	last    *row // where the page ended before the range did
	prev    *row
	whole   map[place]*row // of a local index: the table's rows of its entries, as they were when they were read
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
		if r.index != nil && !r.index.global && r.index.projectedTo != nil {
			r.whole[row.base] = r.table.rows.get(row.base)
		}
	}
	return true
}

// asking is the expressions of a Scan or Query, read before its table is looked up.
type asking struct {
	key        []expression.Clause
	filter     *expression.Condition
	projection expression.Projection
}

// parse reads the expressions.
func (r *paged) parse(c *call, keyCondition *string) (p asking, err error) {
	missing := "FilterExpression is null"
	if c.operation == "Query" {
		missing = "FilterExpression and KeyConditionExpression are null"
	}
	scope, err := newScope(missing, r.ExpressionAttributeNames, r.ExpressionAttributeValues, keyCondition, r.FilterExpression, r.ProjectionExpression)
	if err != nil {
		return p, err
	}
	if keyCondition != nil {
		if p.key, err = scope.KeyCondition(*keyCondition); err != nil {
			return p, err
		}
	}
	if r.FilterExpression != nil {
		if p.filter, err = scope.Condition("FilterExpression", *r.FilterExpression); err != nil {
			return p, err
		}
	}
	if r.ProjectionExpression != nil {
		if p.projection, err = scope.Projection("ProjectionExpression", *r.ProjectionExpression); err != nil {
			return p, err
		}
	}
	return p, scope.Unused()
}

// begin finds the table and the index.
func (r *paged) begin(c *call, p asking) (*reading, error) {
	if err := r.checkSelect(c); err != nil {
		return nil, err
	}
	t, err := c.server.table(r.TableName)
	if err != nil {
		return nil, err
	}
	reading := &reading{table: t, filter: p.filter, projection: p.projection, limit: math.MaxInt, whole: map[place]*row{}}
	if r.Limit != nil {
		reading.limit = *r.Limit
	}
	reading.index, err = c.readable(t, r.IndexName, r.ConsistentRead)
	return reading, err
}

// readable is the index that a call names, once it may be read; nil for the table itself, which has no name there.
func (c *call) readable(t *table, name string, consistent bool) (*index, error) {
	if name == "" {
		return nil, nil
	}
	t.mu.RLock()
	x, ok := t.indexNamed(name)
	t.mu.RUnlock()
	switch {
	case !ok:
		return nil, validation("The table does not have the specified index: %s", name)
	case x.global && consistent:
		return nil, validation("Consistent reads are not supported on global secondary indexes")
	case c.server.creating(x.ready):
		return nil, validation("Cannot read from backfilling global secondary index: %s", name)
	}
	return x, nil
}

// check refuses what the table and the index do not have, after everything else.
func (r *paged) check(reading *reading) error {
	if err := reading.table.checkPaths(reading.projection); err != nil {
		return err
	}
	if x := reading.index; r.Select == "ALL_ATTRIBUTES" && x != nil && x.global && x.projection != "ALL" {
		return validation(wrongValues+"Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", x.name)
	}
	if reading.filter != nil {
		if err := reading.table.checkPaths(reading.filter.Paths()); err != nil {
			return err
		}
	}
	return reading.checkProjected()
}

// checkSelect refuses what contradicts a projection.
func (r *paged) checkSelect(c *call) error {
	parameter := "ProjectionExpression"
	if c.given("AttributesToGet") {
		parameter = "AttributesToGet"
	}
	switch {
	case r.Select == "ALL_PROJECTED_ATTRIBUTES" && r.IndexName == "":
		return validation("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case r.Select == "SPECIFIC_ATTRIBUTES" && r.ProjectionExpression == nil:
		return validation("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case r.Select == "COUNT" && r.ProjectionExpression != nil:
		return validation("Cannot specify the %s when choosing to get only the Count", parameter)
	case r.Select != "" && r.Select != "SPECIFIC_ATTRIBUTES" && r.ProjectionExpression != nil:
		return validation("Cannot specify the %s when choosing to get %s", parameter, r.Select)
	}
	return nil
}

// checkProjected refuses attributes that a global index does not have.
func (r *reading) checkProjected() error {
	if r.index == nil || !r.index.global || r.index.projectedTo == nil {
		return nil
	}
	for _, p := range r.projection {
		if !r.index.projectedTo[p.Top()] {
			return validation(wrongValues+"Global secondary index %s does not project %s", r.index.name, p.Top())
		}
	}
	return nil
}

// row is what is shown of an entry: of a local index that does not have everything that is asked for, the table's row.
func (r *reading) row(entry *row, whole bool) *row {
	if r.index == nil || r.index.global || r.index.projectedTo == nil || !whole {
		return entry
	}
	return r.whole[entry.base]
}

// content is where the reading's rows stand. It needs the table's lock.
func (r *reading) content() *rows {
	if r.index != nil {
		return &r.index.rows
	}
	return &r.table.rows
}

// badStart is the error of a wrong ExclusiveStartKey.
func badStart(err error) error {
	text := asError(err).Message
	if strings.HasPrefix(text, invalidStart) {
		return err
	}
	return validation(invalidStart+": %s", text)
}

const invalidStart = "The provided starting key is invalid"

// startAt finds where the page before ended.
func (r *reading) startAt(key expression.Item) (place, error) {
	if r.index != nil {
		return r.index.startAt(key, r.table.schema)
	}
	return r.table.schema.placeOfKey(key)
}

// used is what the page cost; what comes from an index costs the index.
func (r *reading) used(consistent bool) (u usage) {
	units := readUnits(r.bytes, consistent)
	if r.index == nil {
		u.table = units
		return u
	}
	u.addIndex(r.index, units)
	return u
}

// answer makes the page of what was read.
func (r *paged) answer(reading *reading) *page {
	p := &page{
		Count: len(reading.rows), ScannedCount: reading.scanned, counted: r.Select == "COUNT",
		ConsumedCapacity: consumed(r.ReturnConsumedCapacity, reading.table, reading.used(r.ConsistentRead)),
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
	whole := r.Select == "ALL_ATTRIBUTES" || reading.projection != nil
	for i, row := range reading.rows {
		p.items[i] = projected(reading.row(row, whole), reading.projection)
	}
	return p
}

func (c *call) scan(in *scan) (*page, error) {
	segment, total, err := in.segment()
	if err != nil {
		return nil, err
	}
	expressions, err := in.parse(c, nil)
	if err != nil {
		return nil, err
	}
	reading, err := in.begin(c, expressions)
	if err != nil {
		return nil, err
	}
	if err := in.check(reading); err != nil {
		return nil, err
	}
	t := reading.table
	from := place{hash: segmentStart(segment, total)}
	if in.ExclusiveStartKey != nil {
		after, err := reading.startAt(in.ExclusiveStartKey)
		if err != nil {
			return nil, badStart(err)
		}
		if segmentOf(after.hash, total) != segment {
			return nil, validation("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d", total, segment)
		}
		from = after.following()
	}
	t.mu.RLock()
	reading.content().ascend(from, func(r *row) bool {
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
