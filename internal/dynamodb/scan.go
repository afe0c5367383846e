package dynamodb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/crossfadedb/crossfade/internal/fault"
	"github.com/crossfadedb/crossfade/internal/walk"
	"github.com/go-json-experiment/json/jsontext"
)

// scanRequest is one page of a consistent scan. The zero limit is none.
type scanRequest struct {
	segment, total, limit int
	after                 []byte // ExclusiveStartKey as DynamoDB JSON; nil for the first page
	extra                 []byte // more members of the request, each with a comma before it
}

// scanPage is one answer. The items share one buffer.
type scanPage struct {
	items [][]byte
	last  []byte // nil exactly at the end
	units float64
	at    int64 // where the answer has its items
}

// Extent implements walk.Page.
func (p scanPage) Extent() walk.Extent {
	return walk.Extent{Last: p.last, Units: p.units, Items: len(p.items)}
}

func (t *Table) scan(ctx context.Context, r scanRequest) (page scanPage, err error) {
	err = t.scanned(ctx, r, func(answer []byte) error {
		page, err = cutScan(answer)
		return err
	})
	return page, err
}

// scanned gives cut the answer.
func (t *Table) scanned(ctx context.Context, r scanRequest, cut func(answer []byte) error) error {
	body := t.begin("TotalSegments")
	body = strconv.AppendInt(body, int64(r.total), 10)
	body = strconv.AppendInt(append(body, `,"Segment":`...), int64(r.segment), 10)
	body = append(body, `,"ConsistentRead":true,"ReturnConsumedCapacity":"TOTAL"`...)
	if r.limit > 0 {
		body = strconv.AppendInt(append(body, `,"Limit":`...), int64(r.limit), 10)
	}
	if r.after != nil {
		body = append(append(body, `,"ExclusiveStartKey":`...), r.after...)
	}
	body = append(append(body, r.extra...), '}')
	what := "scan table " + t.name
	answer, err := t.wire.call(ctx, "DynamoDB_20120810.Scan", body)
	if err != nil {
		return notRecord(classify(err, what))
	}
	return classify(cut(answer), what)
}

// notRecord turns the refusal of a request that carries no record into a fatal error: there is no record to blame.
func notRecord(err error) error {
	if fault.Of(err) == fault.Record {
		return &fault.Error{Class: fault.Fatal, Reason: "refused", What: "the request was refused", Err: err}
	}
	return err
}

// cutScan cuts an answer into its items, without a copy.
func cutScan(answer []byte) (page scanPage, err error) {
	c := newCutter(answer)
	err = c.object(func(name string) error {
		switch name {
		case "Items":
			page.at = c.json.InputOffset()
			page.items = make([][]byte, 0, 256)
			return c.array(func(item []byte) error {
				page.items = append(page.items, item)
				return nil
			})
		case "LastEvaluatedKey":
			page.last, err = c.value()
			return err
		case "ConsumedCapacity":
			raw, err := c.value()
			if err != nil {
				return err
			}
			var consumed struct{ CapacityUnits float64 }
			if err := json.Unmarshal(raw, &consumed); err != nil {
				return err
			}
			page.units = consumed.CapacityUnits
			return nil
		}
		return c.skip()
	})
	if err == nil && page.items == nil {
		err = errors.New("the answer has no items, and does not say that there are none") // without a key too, it would be the end
	}
	return page, err
}

// walk is one over this table, whose requests have these members too. Each item is given to visit, which may keep the
// bytes; it is called by one goroutine at a time for each segment.
func (t *Table) walk(segments int, extra []byte, visit func(item []byte) error) walk.Walk[scanPage] {
	return walk.Walk[scanPage]{
		Table: "table " + t.name, AtOnce: segments,
		Source: func(ctx context.Context, segment, total int, after []byte) (scanPage, error) {
			return t.scan(ctx, scanRequest{segment: segment, total: total, after: after, extra: extra})
		},
		Visit: func(_ context.Context, _ walk.Place, page scanPage) error {
			for _, item := range page.items {
				if err := visit(item); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// Items reads the whole table in parallel segments, consistently, and calls visit for each item; visit is called
// by one goroutine at a time for each segment and may keep the bytes. Retries are made inside.
func (t *Table) Items(ctx context.Context, segments int, visit func(item []byte) error) error {
	return t.walk(segments, nil, visit).Run(ctx, walk.All(segments))
}

// cutter walks through an answer token by token and returns raw values: parts of the answer, never decoded.
type cutter struct {
	answer []byte
	json   *jsontext.Decoder
}

func newCutter(answer []byte) *cutter {
	return &cutter{answer: answer, json: jsontext.NewDecoder(bytes.NewBuffer(answer))}
}

// object calls member for each name; member must take its value by value, skip, object or array.
func (c *cutter) object(member func(name string) error) error {
	if tok, err := c.json.ReadToken(); err != nil || tok.Kind() != '{' {
		return fmt.Errorf("answer: an object was expected: %w", orSyntax(err))
	}
	for c.json.PeekKind() != '}' {
		tok, err := c.json.ReadToken()
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		if err := member(tok.String()); err != nil {
			return err
		}
	}
	_, err := c.json.ReadToken()
	return err
}

// array calls element with the raw text of each element.
func (c *cutter) array(element func(raw []byte) error) error {
	return c.each(func() error {
		raw, err := c.value()
		if err != nil {
			return err
		}
		return element(raw)
	})
}

// each calls element for each element of an array; element must take it.
func (c *cutter) each(element func() error) error {
	if tok, err := c.json.ReadToken(); err != nil || tok.Kind() != '[' {
		return fmt.Errorf("answer: an array was expected: %w", orSyntax(err))
	}
	for c.json.PeekKind() != ']' {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := c.json.ReadToken()
	return err
}

// value returns the raw text of the next value.
func (c *cutter) value() ([]byte, error) {
	v, err := c.json.ReadValue()
	if err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	end := c.json.InputOffset()
	return c.answer[end-int64(len(v)) : end : end], nil
}

func (c *cutter) skip() error { return c.json.SkipValue() }

func orSyntax(err error) error {
	if err == nil {
		return errors.New("something else was found")
	}
	return err
}
