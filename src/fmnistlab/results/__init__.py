"""From numbers to judgement: scores by class, tables, pictures."""
