package dynamodb

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crossfadedb/crossfade/internal/expression"
)

type attributeDefinition struct {
	AttributeName string
	AttributeType expression.Kind
}

type keyElement struct {
	AttributeName string
	KeyType       string
}

type throughput struct {
	ReadCapacityUnits, WriteCapacityUnits int64
}

type streamSpecification struct {
	StreamEnabled  bool
	StreamViewType string `json:",omitzero"`
}

type createTable struct {
	TableName                                     string
	AttributeDefinitions                          []attributeDefinition
	KeySchema                                     []keyElement
	BillingMode                                   string
	ProvisionedThroughput                         *throughput
	StreamSpecification                           *streamSpecification
	Tags                                          []tag
	LocalSecondaryIndexes, GlobalSecondaryIndexes []indexRequest
}

type tableDescription struct {
	AttributeDefinitions  []attributeDefinition
	TableName             string
	KeySchema             []keyElement
	TableStatus           string
	CreationDateTime      float64
	ProvisionedThroughput struct {
		NumberOfDecreasesToday                int64
		ReadCapacityUnits, WriteCapacityUnits int64
	}
	BillingModeSummary        *struct{ BillingMode string } `json:",omitzero"`
	TableSizeBytes            int
	ItemCount                 int
	TableArn                  string
	TableID                   string               `json:"TableId"`
	StreamSpecification       *streamSpecification `json:",omitzero"`
	LatestStreamLabel         string               `json:",omitzero"`
	LatestStreamArn           string               `json:",omitzero"`
	LocalSecondaryIndexes     []indexDescription   `json:",omitzero"`
	GlobalSecondaryIndexes    []indexDescription   `json:",omitzero"`
	DeletionProtectionEnabled bool
}

type (
	tableAnswer    struct{ TableDescription tableDescription }
	describedTable struct{ Table tableDescription }
	tableRequest   struct{ TableName string }
	listTables     struct {
		ExclusiveStartTableName string
		Limit                   *int
	}
	tableList struct {
		TableNames             []string
		LastEvaluatedTableName string `json:",omitzero"`
	}
	updateTable struct {
		TableName                   string
		BillingMode                 string
		ProvisionedThroughput       *throughput
		StreamSpecification         *streamSpecification
		AttributeDefinitions        []attributeDefinition
		GlobalSecondaryIndexUpdates []indexUpdate
	}
)

func (r *createTable) target() (string, expression.Item)  { return r.TableName, nil }
func (r *tableRequest) target() (string, expression.Item) { return r.TableName, nil }
func (r *updateTable) target() (string, expression.Item)  { return r.TableName, nil }

// keySchema reads and checks the key of a new table.
func (r *createTable) keySchema() (schema, error) {
	var key schema
	for i, e := range r.KeySchema {
		if want := []string{"HASH", "RANGE"}; i > 1 || e.KeyType != want[i] {
			return nil, validation("Invalid KeySchema: a HASH key, then at most one RANGE key")
		}
		at := slices.IndexFunc(r.AttributeDefinitions, func(d attributeDefinition) bool { return d.AttributeName == e.AttributeName })
		if at < 0 {
			return nil, validation(wrongValues+"Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: %v", e.AttributeName, r.AttributeDefinitions)
		}
		if len(key) == 1 && key[0].name == e.AttributeName {
			return nil, validation("Invalid KeySchema: Some index key attribute have no definition")
		}
		kind := r.AttributeDefinitions[at].AttributeType
		if kind != expression.String && kind != expression.Num && kind != expression.Binary {
			return nil, validation("Member must satisfy enum value set: [B, N, S]")
		}
		key = append(key, keyAttribute{e.AttributeName, kind})
	}
	if len(key) == 0 {
		return nil, validation("Invalid KeySchema: a HASH key is required")
	}
	return key, nil
}

func (c *call) createTable(in *createTable) (tableAnswer, error) {
	if in.TableName == "" {
		return tableAnswer{}, validation("The parameter 'TableName' is required but was not present in the request")
	}
	s := c.server
	if _, err := s.table(in.TableName); err == nil {
		return tableAnswer{}, &Error{Code: "ResourceInUseException", Message: "Table already exists: " + in.TableName}
	} else if e := asError(err); e.Code == "ValidationException" {
		return tableAnswer{}, err
	}
	key, err := in.keySchema()
	if err != nil {
		return tableAnswer{}, err
	}
	t := &table{name: tableName(in.TableName), created: s.now(), schema: key, billing: in.BillingMode, tags: map[string]string{}}
	if t.indexes, err = in.indexes(key); err != nil {
		return tableAnswer{}, err
	}
	if err := t.bill(in.BillingMode, in.ProvisionedThroughput); err != nil {
		return tableAnswer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[t.name] != nil {
		return tableAnswer{}, &Error{Code: "ResourceInUseException", Message: "Table already exists: " + in.TableName}
	}
	t.id = fmt.Sprintf("00000000-0000-4000-8000-%012x", s.sequence.next())
	if err := s.setStream(t, in.StreamSpecification); err != nil {
		return tableAnswer{}, err
	}
	for _, one := range in.Tags {
		t.tags[one.Key] = one.Value
	}
	s.tables[t.name] = t
	return tableAnswer{s.describe(t)}, nil
}

func (t *table) bill(mode string, units *throughput) error {
	switch {
	case mode == "PAY_PER_REQUEST" && units != nil:
		return validation(wrongValues + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case mode == "PAY_PER_REQUEST":
		t.billing, t.units = mode, [2]int64{}
	case units == nil || units.ReadCapacityUnits < 1 || units.WriteCapacityUnits < 1:
		return validation(wrongValues + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	default:
		t.billing, t.units = "PROVISIONED", [2]int64{units.ReadCapacityUnits, units.WriteCapacityUnits}
	}
	return nil
}

// describe needs the table's lock, or a table that nobody else knows yet.
func (s *Server) describe(t *table) tableDescription {
	d := tableDescription{
		TableName: t.name, TableStatus: "ACTIVE", TableArn: s.tableARN(t.name), TableID: t.id,
		CreationDateTime: float64(t.created.UnixMilli()) / 1000,
		TableSizeBytes:   t.rows.bytes, ItemCount: t.rows.count,
	}
	d.ProvisionedThroughput.ReadCapacityUnits, d.ProvisionedThroughput.WriteCapacityUnits = t.units[0], t.units[1]
	if t.billing == "PAY_PER_REQUEST" {
		d.BillingModeSummary = &struct{ BillingMode string }{t.billing}
	}
	d.AttributeDefinitions = t.definitions()
	d.LocalSecondaryIndexes, d.GlobalSecondaryIndexes = s.describeIndexes(t)
	d.KeySchema = t.schema.elements()
	if t.latest != nil {
		d.LatestStreamArn, d.LatestStreamLabel = t.latest.arn, t.latest.label
	}
	if t.stream != nil {
		d.StreamSpecification = &streamSpecification{true, t.stream.view}
	}
	return d
}

func (s schema) elements() []keyElement {
	var elements []keyElement
	for i, a := range s {
		elements = append(elements, keyElement{a.name, []string{"HASH", "RANGE"}[i]})
	}
	return elements
}

func (c *call) describeTable(in *tableRequest) (describedTable, error) {
	t, err := c.server.table(in.TableName)
	if err != nil {
		return describedTable{}, missingTable(err, in.TableName)
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return describedTable{c.server.describe(t)}, nil
}

// missingTable names the table, as the calls on tables do and those on items do not.
func missingTable(err error, name string) error {
	if asError(err).Code == "ResourceNotFoundException" {
		return notFound("Requested resource not found: Table: %s not found", tableName(name))
	}
	return err
}

func (c *call) deleteTable(in *tableRequest) (tableAnswer, error) {
	s := c.server
	t, err := s.table(in.TableName)
	if err != nil {
		return tableAnswer{}, missingTable(err, in.TableName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deleted {
		return tableAnswer{}, notFound("Requested resource not found: Table: %s not found", t.name)
	}
	d := s.describe(t)
	d.TableStatus = "DELETING"
	t.deleted = true
	s.disableStream(t)
	delete(s.tables, t.name)
	return tableAnswer{d}, nil
}

func (c *call) listTables(in *listTables) (tableList, error) {
	limit := 100
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 100 {
		return tableList{}, validation("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and 100", limit)
	}
	c.server.mu.RLock()
	names := slices.Sorted(maps.Keys(c.server.tables))
	c.server.mu.RUnlock()
	names = slices.DeleteFunc(names, func(n string) bool {
		return in.ExclusiveStartTableName != "" && strings.Compare(n, in.ExclusiveStartTableName) <= 0
	})
	out := tableList{TableNames: names}
	if len(names) > limit {
		out.TableNames = names[:limit]
		out.LastEvaluatedTableName = names[limit-1]
	}
	return out, nil
}

func (c *call) updateTable(in *updateTable) (tableAnswer, error) {
	s := c.server
	t, err := s.table(in.TableName)
	if err != nil {
		return tableAnswer{}, missingTable(err, in.TableName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deleted {
		return tableAnswer{}, notFound("Requested resource not found: Table: %s not found", t.name)
	}
	if in.BillingMode != "" || in.ProvisionedThroughput != nil {
		mode := in.BillingMode
		if mode == "" {
			mode = t.billing
		}
		was := t.units
		if err := t.bill(mode, in.ProvisionedThroughput); err != nil {
			return tableAnswer{}, err
		}
		if in.ProvisionedThroughput != nil && was == t.units {
			return tableAnswer{}, validation("The provisioned throughput for the table will not change. The requested value equals the current value. "+
				"Current ReadCapacityUnits provisioned for the table: %d. Requested ReadCapacityUnits: %d. "+
				"Current WriteCapacityUnits provisioned for the table: %d. Requested WriteCapacityUnits: %d. "+
				"Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.", was[0], t.units[0], was[1], t.units[1])
		}
	}
	for _, update := range in.GlobalSecondaryIndexUpdates {
		if err := t.updateIndex(update, in.AttributeDefinitions); err != nil {
			return tableAnswer{}, err
		}
	}
	if err := s.setStream(t, in.StreamSpecification); err != nil {
		return tableAnswer{}, err
	}
	return tableAnswer{s.describe(t)}, nil
}
