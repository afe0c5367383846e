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
	ReadCapacityUnits, WriteCapacityUnits *int64
}

// units are the read and the write units; 0 where one is not given.
func (p *throughput) units() (units [2]int64) {
	for i, given := range []*int64{p.ReadCapacityUnits, p.WriteCapacityUnits} {
		if given != nil {
			units[i] = *given
		}
	}
	return units
}

// constrain checks both units. A nil throughput has none.
func (p *throughput) constrain(v *violations, at string) {
	if p == nil {
		return
	}
	for _, one := range []struct {
		name  string
		units *int64
	}{{"writeCapacityUnits", p.WriteCapacityUnits}, {"readCapacityUnits", p.ReadCapacityUnits}} {
		switch {
		case one.units == nil:
			v.add("Value null at '%s.%s' failed to satisfy constraint: Member must not be null", at, one.name)
		case *one.units < 1:
			v.add("Value '%d' at '%s.%s' failed to satisfy constraint: Member must have value greater than or equal to 1", *one.units, at, one.name)
		}
	}
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
	DeletionProtectionEnabled                     bool
	SSESpecification                              *struct{ Enabled bool } // of the service's own keys only, which nothing tells
	LocalSecondaryIndexes, GlobalSecondaryIndexes []indexRequest
}

type tableDescription struct {
	AttributeDefinitions  []attributeDefinition `json:",omitzero"`
	TableName             string
	KeySchema             []keyElement `json:",omitzero"`
	TableStatus           string
	CreationDateTime      float64 `json:",omitzero"`
	ProvisionedThroughput struct {
		NumberOfDecreasesToday                int64
		ReadCapacityUnits, WriteCapacityUnits int64
	}
	BillingModeSummary        *billingSummary `json:",omitzero"`
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

type billingSummary struct {
	BillingMode                       string
	LastUpdateToPayPerRequestDateTime float64
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
		DeletionProtectionEnabled   *bool
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
	if _, err := s.anyTable(in.TableName); err == nil {
		return tableAnswer{}, &Error{Code: "ResourceInUseException", Message: "Table already exists: " + in.TableName}
	} else if e := asError(err); e.Code == "ValidationException" {
		return tableAnswer{}, err
	}
	if in.SSESpecification != nil && in.SSESpecification.Enabled {
		return tableAnswer{}, validation("The request has a parameter that this server does not cover: SSESpecification")
	}
	for i, d := range in.AttributeDefinitions {
		if _, twice := definition(in.AttributeDefinitions[:i], d.AttributeName); twice {
			return tableAnswer{}, validation(wrongValues+"Duplicate AttributeName in AttributeDefinitions: %s", d.AttributeName)
		}
	}
	if len(in.Tags) > maxTags {
		return tableAnswer{}, validation("The number of tags exceeds the limit of %d", maxTags)
	}
	key, err := in.keySchema()
	if err != nil {
		return tableAnswer{}, err
	}
	t := &table{name: tableName(in.TableName), created: s.now(), schema: key, ready: s.readyAt(), billing: in.BillingMode, tags: map[string]string{}, guarded: in.DeletionProtectionEnabled, onDemand: s.now()}
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
		t.tags[one.Key] = *one.Value
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
	case units == nil || min(units.units()[0], units.units()[1]) < 1:
		return validation(wrongValues + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	default:
		t.billing, t.units = "PROVISIONED", units.units()
	}
	return nil
}

// describe needs the table's lock, or a table that nobody else knows yet.
func (s *Server) describe(t *table) tableDescription {
	d := tableDescription{
		TableName: t.name, TableStatus: s.status(t), DeletionProtectionEnabled: t.guarded, TableArn: s.tableARN(t.name), TableID: t.id,
		CreationDateTime: float64(t.created.UnixMilli()) / 1000,
		TableSizeBytes:   t.rows.bytes, ItemCount: t.rows.count,
	}
	d.ProvisionedThroughput.ReadCapacityUnits, d.ProvisionedThroughput.WriteCapacityUnits = t.units[0], t.units[1]
	if t.billing == "PAY_PER_REQUEST" {
		d.BillingModeSummary = &billingSummary{t.billing, float64(t.onDemand.UnixMilli()) / 1000}
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
	t, err := c.server.anyTable(in.TableName)
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
	t, err := s.anyTable(in.TableName)
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
	if err := s.changeable(t); err != nil {
		return tableAnswer{}, err
	}
	if t.guarded {
		return tableAnswer{}, validation("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	d := s.describe(t)
	d.TableStatus = "DELETING"
	d.CreationDateTime, d.KeySchema, d.AttributeDefinitions, d.LocalSecondaryIndexes, d.GlobalSecondaryIndexes = 0, nil, nil, nil, nil
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
	t, err := s.anyTable(in.TableName)
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
	if in.BillingMode == "" && in.ProvisionedThroughput == nil && in.StreamSpecification == nil && in.DeletionProtectionEnabled == nil && len(in.GlobalSecondaryIndexUpdates) == 0 {
		return tableAnswer{}, validation("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	}
	if err := s.changeable(t); err != nil {
		return tableAnswer{}, err
	}
	if in.DeletionProtectionEnabled != nil {
		t.guarded = *in.DeletionProtectionEnabled
	}
	if in.BillingMode != "" || in.ProvisionedThroughput != nil {
		mode := in.BillingMode
		if mode == "" {
			mode = t.billing
		}
		was := t.units
		if mode == "PAY_PER_REQUEST" && t.billing != mode {
			t.onDemand = s.now()
		}
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
	online := 0
	for _, update := range in.GlobalSecondaryIndexUpdates {
		if update.Create != nil || update.Delete != nil {
			online++
		}
	}
	if online > 1 {
		return tableAnswer{}, &Error{Code: "LimitExceededException", Message: "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"}
	}
	for _, update := range in.GlobalSecondaryIndexUpdates {
		if err := s.updateIndex(t, update, in.AttributeDefinitions); err != nil {
			return tableAnswer{}, err
		}
	}
	if err := s.setStream(t, in.StreamSpecification); err != nil {
		return tableAnswer{}, err
	}
	return tableAnswer{s.describe(t)}, nil
}
