package dynamodb

import (
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/expression"
)

// indexRequest is a secondary index in CreateTable and UpdateTable.
type indexRequest struct {
	IndexName             string
	KeySchema             []keyElement
	Projection            *projectionRequest
	ProvisionedThroughput *throughput
	OnDemandThroughput    any // accepted, and not kept
	WarmThroughput        any // accepted, and not kept
}

type projectionRequest struct {
	ProjectionType   string
	NonKeyAttributes []string `json:",omitzero"`
}

type indexUpdate struct {
	Create *indexRequest
	Update *struct {
		IndexName             string
		ProvisionedThroughput *throughput
	}
	Delete *struct{ IndexName string }
}

// indexDescription is a secondary index in DescribeTable; the pointers are of global ones only.
type indexDescription struct {
	IndexName             string
	KeySchema             []keyElement
	Projection            projectionRequest
	IndexStatus           string           `json:",omitzero"`
	Backfilling           bool             `json:",omitzero"`
	ProvisionedThroughput *indexThroughput `json:",omitzero"`
	IndexSizeBytes        int
	ItemCount             int
	IndexArn              string
}

type indexThroughput struct {
	NumberOfDecreasesToday                int64
	ReadCapacityUnits, WriteCapacityUnits int64
}

// definition finds the kind of a key attribute.
func definition(definitions []attributeDefinition, name string) (expression.Kind, bool) {
	at := slices.IndexFunc(definitions, func(d attributeDefinition) bool { return d.AttributeName == name })
	if at < 0 {
		return "", false
	}
	return definitions[at].AttributeType, true
}

// index reads and checks one index.
func (r *indexRequest) index(global bool, table schema, definitions []attributeDefinition) (*index, error) {
	if len(r.IndexName) < 3 || len(r.IndexName) > 255 || strings.Trim(r.IndexName, nameCharacters) != "" {
		return nil, validation("Invalid table/index name.  Table/index names must be between 3 and 255 characters long, and may contain only the characters a-z, A-Z, 0-9, '_', '-', and '.'")
	}
	x := &index{name: r.IndexName, global: global}
	for _, e := range r.KeySchema {
		kind, ok := definition(definitions, e.AttributeName)
		if !ok {
			return nil, validation(wrongValues+"Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
				e.AttributeName, names(definitions))
		}
		switch {
		case slices.ContainsFunc(x.key(), func(a keyAttribute) bool { return a.name == e.AttributeName }):
			return nil, validation(wrongValues+"Two elements in the KeySchema of index %s have the same name: %s", x.name, e.AttributeName)
		case kind != expression.String && kind != expression.Num && kind != expression.Binary:
			return nil, validation("Member must satisfy enum value set: [B, N, S]")
		case e.KeyType == "HASH" && x.sort == nil:
			x.hash = append(x.hash, keyAttribute{e.AttributeName, kind})
		case e.KeyType == "RANGE" && x.hash != nil:
			x.sort = append(x.sort, keyAttribute{e.AttributeName, kind})
		default:
			return nil, validation("Invalid KeySchema: HASH attributes must precede RANGE attributes")
		}
	}
	switch {
	case len(x.hash) < 1:
		return nil, validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	case len(x.hash) > maxIndexAttribute:
		return nil, validation("Invalid KeySchema: a key has at most %d HASH attributes", maxIndexAttribute)
	case len(x.sort) > maxIndexAttribute:
		return nil, validation("Invalid KeySchema: a key has at most %d RANGE attributes", maxIndexAttribute)
	case !global && (len(x.hash) > 1 || len(x.sort) > 1):
		return nil, validation("Invalid KeySchema: the key of a local index has at most 2 attributes, HASH and RANGE")
	case !global && (len(table) < 2):
		return nil, validation(wrongValues + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	case !global && x.hash[0].name != table[0].name:
		return nil, validation(wrongValues+"Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s",
			x.name, x.hash[0].name, table[0].name)
	case !global && x.sort == nil:
		return nil, validation(wrongValues+"Index KeySchema does not have a range key for index: %s", x.name)
	}
	if err := r.project(x); err != nil {
		return nil, err
	}
	x.prepare(table)
	return x, nil
}

func (r *indexRequest) project(x *index) error {
	if r.Projection == nil {
		return validation(wrongValues + "Unknown ProjectionType: null")
	}
	x.projection, x.included = r.Projection.ProjectionType, r.Projection.NonKeyAttributes
	switch {
	case x.projection == "":
		return validation(wrongValues + "Unknown ProjectionType: null")
	case !slices.Contains([]string{"ALL", "KEYS_ONLY", "INCLUDE"}, x.projection):
		return validation("1 validation error detected: Value '%s' at 'projection.projectionType' failed to satisfy constraint: Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]", x.projection)
	case x.projection == "INCLUDE" && len(x.included) == 0:
		return validation(wrongValues + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case hasDuplicates(x.included):
		return validation(wrongValues + "Duplicate attribute in NonKeyAttributes")
	case x.projection != "INCLUDE" && len(x.included) > 0:
		return validation(wrongValues+"ProjectionType is %s, but NonKeyAttributes is specified", x.projection)
	}
	return nil
}

func hasDuplicates(list []string) bool {
	sorted := slices.Sorted(slices.Values(list))
	return len(slices.Compact(sorted)) < len(list)
}

func names(definitions []attributeDefinition) string {
	var list []string
	for _, d := range definitions {
		list = append(list, d.AttributeName)
	}
	return strings.Join(list, ", ")
}

// indexes reads and checks the indexes of a new table, and that every attribute that is defined is a key's.
func (r *createTable) indexes(table schema) ([]*index, error) {
	var indexes []*index
	for _, group := range []struct {
		requests []indexRequest
		global   bool
		most     int
	}{{r.LocalSecondaryIndexes, false, maxLocalIndexes}, {r.GlobalSecondaryIndexes, true, maxGlobalIndexes}} {
		kind := "LocalSecondaryIndex"
		if group.global {
			kind = "GlobalSecondaryIndex"
		}
		if len(group.requests) > group.most {
			return nil, validation(wrongValues+"Number of %ses exceeds per-table limit of %d", kind, group.most)
		}
		if group.requests != nil && len(group.requests) == 0 {
			return nil, validation(wrongValues+"List of %ses is empty", kind)
		}
		for _, request := range group.requests {
			x, err := request.index(group.global, table, r.AttributeDefinitions)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(indexes, func(o *index) bool { return o.name == x.name }) {
				return nil, validation(wrongValues+"Duplicate index name: %s", x.name)
			}
			if group.global {
				if err := x.bill(r.BillingMode, request.ProvisionedThroughput); err != nil {
					return nil, err
				}
			}
			indexes = append(indexes, x)
		}
	}
	keys := map[string]bool{}
	for _, a := range table {
		keys[a.name] = true
	}
	for _, x := range indexes {
		for _, a := range x.key() {
			keys[a.name] = true
		}
	}
	if len(keys) != len(r.AttributeDefinitions) {
		return nil, validation(wrongValues + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return indexes, nil
}

func (x *index) bill(mode string, units *throughput) error {
	switch {
	case mode == "PAY_PER_REQUEST" && units != nil:
		return validation(wrongValues+"ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", x.name)
	case mode == "PAY_PER_REQUEST":
		x.units = [2]int64{}
	case units == nil:
		return validation(wrongValues+"ProvisionedThroughput is not specified for index: %s", x.name)
	default:
		x.units = units.units()
	}
	return nil
}

// updateIndex needs the table's lock.
func (s *Server) updateIndex(t *table, update indexUpdate, definitions []attributeDefinition) error {
	parts := 0
	for _, given := range []bool{update.Create != nil, update.Update != nil, update.Delete != nil} {
		if given {
			parts++
		}
	}
	switch {
	case parts > 1:
		return validation(wrongValues + "Only one of GlobalSecondaryIndexUpdate Create, Update or Delete can be specified in one update")
	case update.Create != nil:
		for _, d := range t.definitions() {
			if kind, given := definition(definitions, d.AttributeName); given && kind != d.AttributeType {
				return validation(wrongValues+"Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. "+
					"Attribute: %s, existing type: %s, new type: %s", d.AttributeName, d.AttributeType, kind)
			}
		}
		if _, taken := t.indexNamed(update.Create.IndexName); taken {
			return validation("Attempting to create an index which already exists")
		}
		x, err := update.Create.index(true, t.schema, definitions)
		if err != nil {
			return err
		}
		x.ready = s.readyAt()
		if err := x.bill(t.billing, update.Create.ProvisionedThroughput); err != nil {
			return err
		}
		t.rows.ascend(place{}, func(r *row) bool {
			item := expression.MustParseItem(r.raw)
			if x.check(item) == nil { // what cannot be a key of it is left out, as if it had none
				x.change(nil, r, t.schema)
			}
			return true
		})
		t.indexes = append(t.indexes, x)
	case update.Update != nil:
		x, ok := t.indexNamed(update.Update.IndexName)
		if !ok || !x.global {
			return notFound("Requested resource not found")
		}
		return x.bill(t.billing, update.Update.ProvisionedThroughput)
	case update.Delete != nil:
		x, ok := t.indexNamed(update.Delete.IndexName)
		if !ok || !x.global {
			return notFound("Requested resource not found")
		}
		t.indexes = slices.DeleteFunc(t.indexes, func(o *index) bool { return o == x })
	default:
		return validation(wrongValues + "One of GlobalSecondaryIndexUpdate Create, Update or Delete is required")
	}
	return nil
}

// definitions are the attributes of all keys.
func (t *table) definitions() []attributeDefinition {
	var all []attributeDefinition
	add := func(attributes []keyAttribute) {
		for _, a := range attributes {
			if _, known := definition(all, a.name); !known {
				all = append(all, attributeDefinition{a.name, a.kind})
			}
		}
	}
	add(t.schema)
	for _, x := range t.indexes {
		add(x.key())
	}
	return all
}

// describeIndexes needs the table's lock.
func (s *Server) describeIndexes(t *table) (local, global []indexDescription) {
	for _, x := range t.indexes {
		d := indexDescription{
			IndexName: x.name, Projection: projectionRequest{x.projection, x.included},
			IndexSizeBytes: x.rows.bytes, ItemCount: x.rows.count, IndexArn: s.tableARN(t.name) + "/index/" + x.name,
		}
		for _, a := range x.hash {
			d.KeySchema = append(d.KeySchema, keyElement{a.name, "HASH"})
		}
		for _, a := range x.sort {
			d.KeySchema = append(d.KeySchema, keyElement{a.name, "RANGE"})
		}
		if !x.global {
			local = append(local, d)
			continue
		}
		d.IndexStatus = "ACTIVE"
		switch {
		case s.creating(t.ready):
			d.IndexStatus = "CREATING"
		case s.creating(x.ready):
			d.IndexStatus, d.Backfilling = "CREATING", true
		}
		d.ProvisionedThroughput = &indexThroughput{ReadCapacityUnits: x.units[0], WriteCapacityUnits: x.units[1]}
		global = append(global, d)
	}
	return local, global
}
