/* param - see wire/mysql/param.h. */
#include "wire/mysql/param.h"

#include "wire_int.h"

/* long: one line per type */
bool myparam_skip_value(struct rd *r, uint8_t type)
{
	size_t n;
	switch ((enum mytype)type) {
	case MYTYPE_NULL: break;
	case MYTYPE_TINY: rd_bytes(r, 1); break;
	case MYTYPE_SHORT:
	case MYTYPE_YEAR: rd_bytes(r, 2); break;
	case MYTYPE_LONG:
	case MYTYPE_INT24:
	case MYTYPE_FLOAT: rd_bytes(r, 4); break;
	case MYTYPE_LONGLONG:
	case MYTYPE_DOUBLE: rd_bytes(r, 8); break;
	case MYTYPE_DECIMAL:
	case MYTYPE_TIMESTAMP:
	case MYTYPE_DATE:
	case MYTYPE_TIME:
	case MYTYPE_DATETIME:
	case MYTYPE_VARCHAR:
	case MYTYPE_BIT:
	case MYTYPE_VECTOR:
	case MYTYPE_JSON:
	case MYTYPE_NEWDECIMAL:
	case MYTYPE_ENUM:
	case MYTYPE_SET:
	case MYTYPE_TINY_BLOB:
	case MYTYPE_MEDIUM_BLOB:
	case MYTYPE_LONG_BLOB:
	case MYTYPE_BLOB:
	case MYTYPE_VAR_STRING:
	case MYTYPE_STRING:
	case MYTYPE_GEOMETRY: rd_lenstr(r, &n); break;
	case MYTYPE_NEWDATE:
	case MYTYPE_TIMESTAMP2:
	case MYTYPE_DATETIME2:
	case MYTYPE_TIME2:
	case MYTYPE_TYPED_ARRAY:
	case MYTYPE_INVALID:
	case MYTYPE_BOOL: r->bad = true; break;
	}
	if (type > MYTYPE_TYPED_ARRAY && type < MYTYPE_VECTOR)
		r->bad = true;
	return rd_ok(r);
}

static bool bit(const uint8_t *bits, unsigned i)
{
	return bits[i / 8] >> i % 8 & 1;
}

bool myparam_next(struct myparam_iter *it, struct myparam *p_r)
{
	if (it->i == it->n)
		return false;
	unsigned i = it->i++;
	*p_r = (struct myparam){ .type = rd_u16le(&it->types) };
	if (it->names)
		p_r->name = rd_mystr_len(&it->types);
	if (!rd_ok(&it->types))
		return false;
	p_r->null = bit(it->nulls, i);
	p_r->long_data = it->long_data && i < it->long_data_n && bit(it->long_data, i);
	if (p_r->null || p_r->long_data)
		return true;
	const uint8_t *from = it->values.p;
	if (!myparam_skip_value(&it->values, (uint8_t)p_r->type))
		return false;
	p_r->value = mystr_of(from, (size_t)(it->values.p - from));
	return true;
}
