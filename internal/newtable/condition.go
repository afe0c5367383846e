package newtable

import (
	"fmt"

	"github.com/crossfadedb/crossfade/internal/dynamojson"
	"github.com/crossfadedb/crossfade/internal/events"
)

// The members of a request that a Condition can stand in.
const (
	ConditionExpression = "ConditionExpression" // of a write
	FilterExpression    = "FilterExpression"    // of a scan
)

// Condition is a condition on an item in DynamoDB's expression language.
type Condition struct {
	Text   string // such as "attribute_exists(#d)"
	Names  []Name
	Values []Value
}

// Name is what a placeholder such as #k stands for.
type Name struct{ Placeholder, Attribute string }

// Value is what a placeholder such as :v stands for.
type Value struct {
	Placeholder string
	JSON        []byte // typed, such as {"S":"x"}
}

// Append appends the members of a request that state the condition, with a comma before each. The first of them is called member.
func (c Condition) Append(b []byte, member string) []byte {
	b = append(append(append(b, `,"`...), member...), `":"`...)
	b = append(append(b, c.Text...), '"') // no text of ours needs an escape
	for i, n := range c.Names {
		b = appendPlaceholder(b, i, "ExpressionAttributeNames", n.Placeholder)
		b = dynamojson.Quote(b, n.Attribute)
	}
	b = closed(b, len(c.Names))
	for i, v := range c.Values {
		b = appendPlaceholder(b, i, "ExpressionAttributeValues", v.Placeholder)
		b = append(b, v.JSON...)
	}
	return closed(b, len(c.Values))
}

// appendPlaceholder appends the name of the member i of an object; before the first one, that of the object.
func appendPlaceholder(b []byte, i int, object, placeholder string) []byte {
	if i == 0 {
		return fmt.Appendf(b, `,"%s":{"%s":`, object, placeholder)
	}
	return fmt.Appendf(b, `,"%s":`, placeholder)
}

func closed(b []byte, members int) []byte {
	if members == 0 {
		return b
	}
	return append(b, '}')
}

// keyIs and so on are what the placeholders stand for.
func keyIs(schema events.KeySchema) Name { return Name{"#k", schema[0].Name} }
func (f *Format) versionIs() Name        { return Name{"#v", f.Names.Version} }
func (f *Format) deletedIs() Name        { return Name{"#d", f.Names.Deleted} }
func versionOf(v events.Version) Value   { return Value{":v", AppendVersion(nil, v)} }
func deletedAt(text string) Value {
	return Value{":d", append(dynamojson.Quote([]byte(`{"N":`), text), '}')}
}
func condition(text string, names ...Name) Condition { return Condition{Text: text, Names: names} }

func (c Condition) with(v Value) Condition {
	c.Values = append(c.Values, v)
	return c
}

// Never is a condition that no item satisfies, nor the absence of one: a write under it needs its permission, and changes nothing.
func Never(schema events.KeySchema) Condition {
	return condition("attribute_exists(#k) AND attribute_not_exists(#k)", keyIs(schema))
}

// Absent is the condition that there is no item.
func Absent(schema events.KeySchema) Condition {
	return condition("attribute_not_exists(#k)", keyIs(schema))
}

// AbsentOrLower is the condition of every write of the pipeline (invariant 1): there is no item, or its version is lower. What is own has no
// version, and does not satisfy it.
func (f *Format) AbsentOrLower(v events.Version) Condition {
	return condition("attribute_not_exists(#k) OR #v < :v", keyIs(f.Schema), f.versionIs()).with(versionOf(v))
}

// AppendAbsentOrLower is AbsentOrLower(v).Append for a write, of parts that were made beforehand.
func (f *Format) AppendAbsentOrLower(b []byte, v events.Version) []byte {
	return append(v.Append(append(b, f.lower...)), f.end...)
}

// Lower is the condition that the item has a lower version.
func (f *Format) Lower(v events.Version) Condition {
	return condition("#v < :v", f.versionIs()).with(versionOf(v))
}

// Deleted is the condition that the item is a marker, or looks like one: it has the deleted-at attribute.
func (f *Format) Deleted() Condition { return condition("attribute_exists(#d)", f.deletedIs()) }

// DeletedOrOwn is the condition that the item has the deleted-at attribute, or no version.
func (f *Format) DeletedOrOwn() Condition {
	return condition("attribute_exists(#d) OR attribute_not_exists(#v)", f.versionIs(), f.deletedIs())
}

// Is is the condition that the item is still the marker that had this version or, without one, this deleted-at number. It does not see
// attributes of the application beside them: no condition is about all attributes of an item.
func (f *Format) Is(version events.Version, deleted string) Condition {
	if version != (events.Version{}) {
		return condition("#v = :v AND attribute_exists(#d)", f.versionIs(), f.deletedIs()).with(versionOf(version))
	}
	return condition("#d = :d AND attribute_not_exists(#v)", f.versionIs(), f.deletedIs()).with(deletedAt(deleted))
}

// AppendProjection appends the members of a scan that ask for nothing but the key, the version and the deleted-at attribute, with
// a comma before each. What else an item has, Item.Foreign does not see then.
func (f *Format) AppendProjection(b []byte) []byte {
	attributes := []string{f.Names.Version, f.Names.Deleted}
	for _, k := range f.Schema {
		attributes = append(attributes, k.Name)
	}
	b = append(b, `,"ProjectionExpression":"`...)
	for i := range attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "#a%d", i)
	}
	b = append(b, '"')
	for i, name := range attributes {
		b = dynamojson.Quote(appendPlaceholder(b, i, "ExpressionAttributeNames", fmt.Sprintf("#a%d", i)), name)
	}
	return closed(b, len(attributes))
}
