package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/crossfadedb/crossfade/internal/build"
	"github.com/crossfadedb/crossfade/internal/fault"
)

// Builds of different versions share the control log and the facts while the workers are upgraded one by one. Each kind of
// statement, a control entry or a fact, therefore has a format, counted from 1. A statement in a higher format than this
// build knows for its kind, or of a kind that it does not know, says what an older build must do:
//
//	optional   a kind that is known: read the members that are known; a kind that is not: go on as if it were not there
//	required   stop: it says which version is needed
//
// Whoever adds a member to a kind raises the kind's format. Whoever adds a kind begins with format 2: format 1 is what the
// first builds read, and it has no envelope. What may be optional:
//
//   - A control entry, or a member of one, that changes nothing by which State.Fold judges later entries. An entry is
//     accepted by its After alone, read or not, so all builds count alike.
//   - A fact, or a member of one, without which a worker does nothing that it must not do. An older build may also erase it,
//     as any fact that its own is as far as.
//
// A fact's key, and the head of a control entry, never change with the format. What is no JSON, or has members that its format does not have, is damaged:
// always an error, and never passed over.
type envelope struct {
	Format   int    `json:"format,omitempty"`   // absent: 1
	Optional bool   `json:"optional,omitempty"` // builds that do not know the format go on without it
	Needs    string `json:"needs,omitempty"`    // a version of Crossfade that knows the format, of what is not optional
}

func (e envelope) number() int { return max(1, e.Format) }

// format is how a build writes a kind of statement. It reads all lower numbers too.
type format struct {
	number   int
	optional bool // for builds that know only lower numbers, or not the kind
}

// formats are the kinds of statement that a build knows.
type formats map[string]format

// envelope is that of what this build writes: empty in format 1, which needs none.
func (f formats) envelope(kind string) envelope {
	switch known := f[kind]; {
	case known.number <= 1:
		return envelope{}
	case known.optional:
		return envelope{Format: known.number, Optional: true}
	default:
		return envelope{Format: known.number, Needs: build.Version()}
	}
}

// reading is what this build does with a statement.
type reading uint8

const (
	exact   reading = iota // known: a member that is not known is damage
	lenient                // newer and optional: members that are not known are left out
	skipped                // of an unknown kind and optional: left out
	refused                // newer, or of an unknown kind, and required
)

func (f formats) reading(kind string, e envelope) (reading, error) {
	known, ok := f[kind]
	switch {
	case e.Format < 0:
		return refused, fmt.Errorf("there is no format %d", e.Format)
	case !ok && e.number() == 1:
		return refused, fmt.Errorf("unknown kind %q", kind)
	case ok && e.number() <= known.number:
		return exact, nil
	case !e.Optional:
		return refused, nil
	case ok:
		return lenient, nil
	}
	return skipped, nil
}

// tooNew is the error of a statement that is refused.
func (e envelope) tooNew(kind string) error {
	needs := "Crossfade " + e.Needs + " or newer"
	if e.Needs == "" {
		needs = "a newer Crossfade (it does not say which)"
	}
	return &fault.Error{
		Class: fault.Fatal, Reason: "newer-format",
		What:   fmt.Sprintf("%q in format %d needs %s; this is %s", kind, e.number(), needs, build.Version()),
		Advice: "start this process again with such a version; it goes on from what is recorded, and nothing is lost",
	}
}

// factEnvelope is a fact in a format above 1. In format 1 the fact stands alone.
type factEnvelope struct {
	envelope
	Fact json.RawMessage `json:"fact"`
}

// encodeFact writes a fact, in the format that its kind has in this build.
func (f formats) encodeFact(kind string, fact any) ([]byte, error) {
	value, err := json.Marshal(fact)
	if err != nil {
		return nil, err
	}
	e := f.envelope(kind)
	if e == (envelope{}) {
		return value, nil
	}
	return json.Marshal(factEnvelope{e, value})
}

// decodeFact reads a fact of a kind; false when it is to be left out.
func (f formats) decodeFact(kind string, value []byte, to any) (bool, error) {
	head := struct {
		Format *int `json:"format"`
	}{}
	if err := json.Unmarshal(value, &head); err != nil {
		return false, err
	}
	enveloped := factEnvelope{Fact: value}
	if head.Format != nil {
		enveloped.Fact = nil
		if err := decode(value, &enveloped); err != nil {
			return false, err
		}
	}
	how, err := f.reading(kind, enveloped.envelope)
	if err != nil {
		return false, err
	}
	switch how {
	case exact:
		return true, decode(enveloped.Fact, to)
	case lenient:
		return true, json.Unmarshal(enveloped.Fact, to)
	case skipped:
		return false, nil
	default:
		return false, enveloped.tooNew(kind)
	}
}

// decode reads one JSON value of a durable statement: a member that is not known, or what follows the value, is an error.
func decode(value []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}
